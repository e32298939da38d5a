import json
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector, undefended
from demagnify.core.errors import BadArtifactError, BadConfigError, DemagnifyWarning

RAW = {"range": [0, 255]}
NCHW = ("n", 3, 16, 16)


def write(path, shape=NCHW, *, dtype=TensorProto.FLOAT, outputs=("scores",), inputs=1, nodes=None):
    """Writes a network that gives the mean level of each image."""
    names = [f"images{number}" for number in range(inputs)]
    made = [
        helper.make_node("Cast", [names[0]], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], [outputs[0]], keepdims=0),
        *(helper.make_node("Neg", [outputs[0]], [name]) for name in outputs[1:]),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])
    graph = helper.make_graph(
        made if nodes is None else nodes,
        "mean",
        [helper.make_tensor_value_info(name, dtype, shape) for name in names],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape[:1]) for name in outputs],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.fixture
def images():
    pixels = np.random.default_rng(1).integers(0, 256, (5, 3, 16, 16), dtype=np.uint8)
    return torch.from_numpy(pixels)


def means(images):
    return images.float().mean(dim=(1, 2, 3))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (NCHW, TensorProto.FLOAT),
        (("n", 16, 16, 3), TensorProto.FLOAT),
        ((1, 3, 16, 16), TensorProto.FLOAT),
        ((2, 16, 16, 3), TensorProto.FLOAT),
        (("n", 3, "h", "w"), TensorProto.DOUBLE),
    ],
)
def test_layout_batch_and_type_are_read_from_the_file(tmp_path, images, shape, dtype):
    detector = detectors.load_detector(
        write(tmp_path / "m.onnx", shape, dtype=dtype), device="cpu", **RAW
    )
    torch.testing.assert_close(detector(images), means(images))


def test_whole_levels_go_in_as_they_are(tmp_path, images):
    write(tmp_path / "m.onnx", ("n", "h", "w", 3), dtype=TensorProto.UINT8)
    detector = detectors.load_detector(tmp_path / "m.onnx", device="cpu")
    torch.testing.assert_close(detector(images), means(images))
    with pytest.raises(BadConfigError, match=r"whole levels .* no option 'mean'"):
        detectors.load_detector(f"{tmp_path}/m.onnx@mean=0.5", device="cpu")


def test_images_get_the_size_of_the_file_or_the_one_that_is_chosen(tmp_path):
    large = torch.zeros(1, 3, 40, 30, dtype=torch.uint8)
    fixed = detectors.load_detector(
        write(tmp_path / "a.onnx", ("n", 3, 16, 24)), device="cpu", **RAW
    )
    assert fixed.preprocessing(large).shape == (1, 3, 16, 24)
    assert fixed.input_size == 24
    free = write(tmp_path / "b.onnx", ("n", 3, "h", "w"))
    assert detectors.load_detector(free, device="cpu", **RAW).preprocessing(large).shape == (
        1,
        3,
        40,
        30,
    )
    chosen = detectors.load_detector(free, device="cpu", input_size=20, **RAW)
    assert chosen.preprocessing(large).shape == (1, 3, 20, 20)
    with pytest.raises(BadConfigError, match="16 x 24 pixels and no others"):
        detectors.load_detector(tmp_path / "a.onnx", device="cpu", input_size=20, **RAW)


def test_options_of_the_file_beside_it_hold_until_nearer_ones_override_them(tmp_path, images):
    path = write(tmp_path / "m.onnx")
    card = {"name": "card", "threshold": 7, "range": [0, 255], "id2label": None}
    (tmp_path / "m.json").write_text(json.dumps(card))
    detector = detectors.load_detector(path, device="cpu")
    assert (detector.name, detector.threshold) == ("card", 7)
    torch.testing.assert_close(detector(images), means(images))
    assert detectors.load_detector(f"{path}@threshold=8", device="cpu").threshold == 8
    assert detectors.load_detector(f"{path}@threshold=8", device="cpu", threshold=9).threshold == 9
    (tmp_path / "other.json").write_text('{"detector": "m.onnx", "threshold": 3}')
    through = detectors.load_detector(tmp_path / "other.json", device="cpu")
    assert (through.name, through.threshold) == ("card", 3)


def test_missing_scaling_is_warned_of(tmp_path, images):
    path = write(tmp_path / "m.onnx")
    with pytest.warns(DemagnifyWarning, match=r"mean, std and range into m\.json"):
        detector = detectors.load_detector(path, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the toy's means do lie between 0 and 1
        torch.testing.assert_close(detector(images), means(images) / 255)


def test_one_of_several_outputs_is_chosen_by_name(tmp_path, images):
    path = write(tmp_path / "m.onnx", outputs=("features", "scores"))
    with pytest.raises(BadConfigError, match="has 2 outputs: features, scores"):
        detectors.load_detector(path, device="cpu", **RAW)
    with pytest.raises(BadConfigError, match="no output 'prob'"):
        detectors.load_detector(path, device="cpu", output="prob", **RAW)
    detector = detectors.load_detector(path, device="cpu", output="scores", **RAW)
    torch.testing.assert_close(detector(images), -means(images))


def test_its_fingerprint_is_that_of_file_and_settings(tmp_path):
    path = write(tmp_path / "m.onnx")
    first = detectors.load_detector(path, device="cpu", **RAW).fingerprint()
    assert (
        detectors.load_detector(path, device="cpu", threads=1, threshold=3, **RAW).fingerprint()
        == first
    )
    assert detectors.load_detector(path, device="cpu", range=[0, 1]).fingerprint() != first
    write(path, outputs=("other",))
    assert detectors.load_detector(path, device="cpu", **RAW).fingerprint() != first


def test_weights_in_external_files_belong_to_its_fingerprint(tmp_path, images):
    path = write(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Mul", ["scores", "factor"], ["scaled"]))
    model.graph.output[0].name = "scaled"
    factor = onnx.numpy_helper.from_array(np.full(400, 2, np.float32)[:1], "factor")
    model.graph.initializer.append(factor)
    onnx.save(model, path, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    detector = detectors.load_detector(path, device="cpu", **RAW)
    torch.testing.assert_close(detector(images), 2 * means(images))
    data = tmp_path / "m.onnx.data"
    content = data.read_bytes()
    assert np.float32(2).tobytes() in content
    data.write_bytes(content.replace(np.float32(2).tobytes(), np.float32(3).tobytes()))
    assert (
        detectors.load_detector(path, device="cpu", **RAW).fingerprint() != detector.fingerprint()
    )


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ({"shape": ("n", 1, 16, 16)}, {}, "16\\], which is no batch of RGB images"),
        ({"shape": ("n", 3, 16, 3)}, {}, "where the channels are"),
        ({"shape": ("n", "c", "h", "w")}, {}, "layout=NCHW or layout=NHWC"),
        ({"shape": ("n", 1, 16, 16)}, {"layout": "NCHW"}, "takes 1 channels"),
        ({"shape": NCHW, "dtype": TensorProto.INT64}, {}, "no batch of RGB images"),
        ({"shape": NCHW, "inputs": 2}, {}, "takes 2 inputs"),
        ({"shape": NCHW}, {"weights": "x"}, "no option 'weights'"),
        ({"shape": NCHW}, {"threads": 0}, "threads: "),
        ({"shape": NCHW}, {"means": 1}, "means is no known option; did you mean mean"),
        ({"shape": NCHW}, {"mean": 123, "range": [0, 1]}, "outside of the range 0 to 1"),
    ],
)
def test_what_cannot_be_a_detector_gives_one_line(tmp_path, network, options, message):
    path = write(tmp_path / "m.onnx", **network)
    with pytest.raises(BadConfigError, match=message) as caught:
        detectors.load_detector(path, device="cpu", **{**RAW, **options})
    assert "\n" not in str(caught.value)


def test_a_damaged_or_missing_file_gives_one_line(tmp_path):
    with pytest.raises(BadArtifactError, match="no such ONNX file"):
        detectors.load_detector("nowhere/m.onnx", device="cpu")
    (tmp_path / "m.onnx").write_text("hello")
    with pytest.raises(BadArtifactError, match="no ONNX network that onnxruntime runs") as caught:
        detectors.load_detector(tmp_path / "m.onnx", device="cpu")
    assert "\n" not in str(caught.value)
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(BadConfigError, match="cannot be read as JSON"):
        detectors.load_detector(tmp_path / "m.onnx", device="cpu")


def test_images_that_it_does_not_run_on_give_one_line(tmp_path, images):
    kernel = helper.make_node("Reshape", ["images0", "shape"], ["flat"])
    constant = helper.make_node("Constant", [], ["shape"], value_ints=[-1, 3 * 100])
    mean = helper.make_node("ReduceMean", ["flat", "one"], ["scores"], keepdims=0)
    one = helper.make_node("Constant", [], ["one"], value_ints=[1])
    path = write(tmp_path / "m.onnx", ("n", 3, "h", "w"), nodes=[constant, one, kernel, mean])
    detector = detectors.load_detector(path, device="cpu", **RAW)
    with pytest.raises(BadConfigError, match="does not run on 5 x 3 x 16 x 16") as caught:
        detector(images)
    assert "\n" not in str(caught.value)
    assert detectors.load_detector(path, device="cpu", input_size=10, **RAW)(images).shape == (5,)


def test_without_onnxruntime_the_message_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadConfigError, match=r"pip install onnxruntime"):
        detectors.load_detector(write(tmp_path / "m.onnx"), device="cpu", **RAW)


def test_names_in_its_metadata_say_which_output_is_fake(tmp_path, images):
    path = write(tmp_path / "m.onnx")
    model = onnx.load(path)
    both = helper.make_node("Concat", ["column", "negative"], ["both"], axis=1)
    column = helper.make_node("Reshape", ["scores", "shape"], ["column"])
    shape = helper.make_node("Constant", [], ["shape"], value_ints=[-1, 1])
    model.graph.node.extend(
        [shape, column, helper.make_node("Neg", ["column"], ["negative"]), both]
    )
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("both", TensorProto.FLOAT, ["n", 2])
    )
    onnx.save(model, path)
    with pytest.raises(BadConfigError, match="fake_index=0 or fake_index=1"):
        detectors.load_detector(path, device="cpu", head="two-logit", **RAW)
    helper.set_model_props(model, {"names": "{0: 'Fake', 1: 'Real'}", "stride": "]"})
    onnx.save(model, path)
    named = detectors.load_detector(path, device="cpu", head="two-logit", **RAW)
    torch.testing.assert_close(named(images), 2 * means(images))
    with pytest.raises(BadConfigError, match="is the output that is called 'Real'"):
        detectors.load_detector(path, device="cpu", head="two-logit", fake_index=1, **RAW)
    labelled = detectors.load_detector(
        path, device="cpu", head="two-logit", labels=["real", "fake"], **RAW
    )
    torch.testing.assert_close(labelled(images), -2 * means(images))


def test_a_defence_before_a_file_finds_it_where_it_was_or_beside_itself(tmp_path, images):
    (tmp_path / "run").mkdir()
    path = write(tmp_path / "run" / "m.onnx")
    defended = undefended(detectors.load_detector(path, device="cpu", threshold=2, **RAW))
    defended.save(tmp_path / "run" / "defense", {})
    (tmp_path / "run").rename(tmp_path / "moved")
    loaded = DefendedDetector.load(tmp_path / "moved" / "defense", device="cpu")
    assert torch.equal(loaded(images), defended(images))
    assert loaded.threshold == 2
    write(tmp_path / "moved" / "m.onnx", outputs=("changed",))
    with pytest.raises(BadArtifactError, match=r"m\.onnx has changed since"):
        DefendedDetector.load(tmp_path / "moved" / "defense", device="cpu")
    (tmp_path / "moved" / "m.onnx").unlink()
    with pytest.raises(BadArtifactError, match="is gone: there is no") as caught:
        DefendedDetector.load(tmp_path / "moved" / "defense", device="cpu")
    assert "\n" not in str(caught.value)
