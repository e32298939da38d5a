"""The public API: its names, their signatures, and the examples in their docstrings."""

import doctest
import inspect
import subprocess
import sys

import pytest
from pydantic import BaseModel

import demagnify

SIGNATURES = {
    "adaptive_attack": "data, output, config, *, target, attacks, cache, command, on_skip",
    "attack": "source, output, config, *, transform, find_faces, log, options",
    "calibrate": "data, output, config, *, defense, enhancement, command, log, on_skip",
    "create_transform": "spec, settings, *, device, precision",
    "describe": "manifest, config, *, workers",
    "detect": "photos, config, *, defense, finder, on_skip",
    "evaluate": "data, output, config, *, methods, base, command, about, tracker, options, on_skip",
    "explain": "faces, defense, *, toward",
    "from_callable": "function, scale, name, *, device, precision",
    "harden": "data, output, config, *, detector, attacks, about, tracker, log, on_skip",
    "load_defense": "source, *, device, precision",
    "load_detector": "source, *, device, precision, **options",
    "prepare": "manifest, output, config, *, finder, strict, workers, options",
    "train_defense": "data, output, config, *, detector, conditions, validation, tracker, "
    "log, on_skip",
    "train_detector": "data, output, config, *, detector, transform, targets, about, "
    "tracker, log, on_skip",
    "wrap": "function, *, name, threshold, head, fake_index, labels, preprocessing, output",
}
CLASSES = {
    "DefendedDetector": "detector, actions, encoder, policy, *, input_size, threshold",
    "Detector": "network, *, name, backbone, input_size, mean, std, threshold, precision, "
    "interpolation, crop_pct, crop_mode, head",
    "FaceDataset": "images, labels, groups, names, skipped",
    "Laundering": "p, attacks, *, surrogates, seed",
    "LogitTable": "faces, detector, transforms, *, batch_size",
    "Manifest": "records, *, root, skipped",
    "Transform": "",
    "TransformSet": "transforms",
}
CONFIGS = [
    "AdaptiveConfig",
    "AttackConfig",
    "CalibrationConfig",
    "DescribeConfig",
    "DetectionConfig",
    "EvaluationConfig",
    "HardeningConfig",
    "PrepareConfig",
    "TrainDefenseConfig",
    "TrainDetectorConfig",
]
LISTS = ["ATTACKS", "CORRECTIONS"]


def signature_of(thing):
    """Returns the names of the parameters as they are written, without types and defaults."""
    words, keyword_only = [], False
    for name, one in inspect.signature(thing).parameters.items():
        if one.kind is one.KEYWORD_ONLY and not keyword_only:
            words.append("*")
            keyword_only = True
        words.append(f"**{name}" if one.kind is one.VAR_KEYWORD else name)
    return ", ".join(words)


def test_the_names_are_these():
    assert sorted(demagnify.__all__) == sorted(
        [*SIGNATURES, *CLASSES, *CONFIGS, *LISTS, "__version__"]
    )
    assert dir(demagnify) == sorted(demagnify.__all__)


@pytest.mark.parametrize("name", [*SIGNATURES, *CLASSES])
def test_signatures_stay(name):
    assert signature_of(getattr(demagnify, name)) == {**SIGNATURES, **CLASSES}[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_are_frozen_complete_and_describe_themselves(name):
    model = getattr(demagnify, name)
    assert issubclass(model, BaseModel)
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    model()  # every setting has a default
    missing = [key for key, one in model.model_fields.items() if not one.description]
    assert missing == []


@pytest.mark.parametrize("name", LISTS)
def test_named_lists_can_be_made(name):
    for one in getattr(demagnify, name):
        assert isinstance(one, str)


@pytest.mark.parametrize("name", [*SIGNATURES, *CLASSES])
def test_docstrings_have_examples_that_run(name):
    thing = getattr(demagnify, name)
    (found,) = doctest.DocTestFinder(recurse=False).find(
        thing, name, globs=vars(sys.modules[thing.__module__]).copy()
    )
    assert found.examples, f"{name} has no example"
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(found, out=told.append)
    assert runner.failures == 0, "".join(told)


@pytest.mark.parametrize("name", SIGNATURES)
def test_docstrings_of_functions_have_all_parts(name):
    text = inspect.getdoc(getattr(demagnify, name))
    for part in ("Args:", "Returns:", "Raises:", "Example:"):
        assert part in text, part
    for parameter in inspect.signature(getattr(demagnify, name)).parameters:
        assert f"    {parameter}:" in text, parameter


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'launder'"):
        _ = demagnify.launder


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, demagnify; print(sorted({'torch', 'numpy', 'pydantic'} & {*sys.modules}))"
    asked = [sys.executable, "-c", code]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"
