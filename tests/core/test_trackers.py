"""Trackers: what is written is read back with the trackers' own libraries."""

import math
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel

from demagnify.core.errors import BadConfigError, DemagnifyError, DemagnifyWarning, UnknownNameError
from demagnify.core.trackers import TRACKERS, TrackedRun, Tracker, check_tracker, track


class Inner(BaseModel):
    rate: float = 0.5


class Settings(BaseModel):
    inner: Inner = Inner()
    name: str = "x" * 900


def read_tensorboard(folder):
    """Run -> figure -> [(step, value)], each as often as it was written."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for place in sorted((folder / "tensorboard").iterdir()):
        events = EventAccumulator(str(place), size_guidance={"scalars": 0}).Reload()
        found[place.name] = {
            tag: [(one.step, pytest.approx(one.value, rel=1e-6)) for one in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
    return found


def read_mlflow(folder):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    (home,) = [one for one in client.search_experiments() if one.name == "demagnify"]
    return {
        f"{run.info.run_name}-{run.data.tags['demagnify.key'][:8]}": {
            name: [
                (one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
        }
        for run in client.search_runs([home.experiment_id])
    }


READERS = {"tensorboard": read_tensorboard, "mlflow": read_mlflow}


@pytest.fixture(params=list(READERS))
def kind(request, monkeypatch):
    pytest.importorskip(request.param, reason=f"needs the extra {request.param}")
    if request.param == "mlflow":
        pytest.importorskip("sqlalchemy", reason="needs the extra mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return request.param


def test_every_tracker_is_tested_here():
    assert set(TRACKERS) == set(READERS)


def test_figures_are_read_back_and_a_continued_run_writes_none_twice(kind, tmp_path):
    output, lines = tmp_path / "runs" / "mine", []
    with track(kind, output, {"seed": 1}, Settings(), log=lines.append) as tracking:
        tracking.points([(1, {"loss": 0.5, "auc": None}), (2, {"loss": 0.25})])
        tracking.under("round-1").points([(7, {"a+b@c": 1.5, "bad": math.nan})])
    with track(kind, output, {"seed": 1}, Settings()) as tracking:  # continued
        tracking.points([(n, {"loss": 1 / 2**n}) for n in (1, 2, 3)])
        tracking.points([(n, {"loss": 1 / 2**n}) for n in (1, 2, 3, 4)])
    with track(kind, output, {"seed": 2}) as tracking:  # another run in the same place
        tracking.points([(1, {"loss": 9.0})])
    found = READERS[kind](tmp_path / "runs")
    names = {"tensorboard": "round-1/a+b@c", "mlflow": "round-1/a_b_c"}
    expected = [
        {"loss": [(n, 1 / 2**n) for n in (1, 2, 3, 4)], names[kind]: [(7, 1.5)]},
        {"loss": [(1, 9.0)]},
    ]
    assert sorted(found.values(), key=len, reverse=True) == expected
    assert all(name.startswith("mine-") for name in found)
    assert lines[0].startswith("tracked in ")


def test_a_run_that_fails_is_marked_and_its_figures_stay(tmp_path):
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    pytest.importorskip("sqlalchemy", reason="needs the extra mlflow")
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path / 'own.db'}"
    for error, status in (
        (ValueError, "FAILED"),
        (KeyboardInterrupt, "KILLED"),
        (None, "FINISHED"),
    ):
        try:
            with track(f"mlflow:{uri}", tmp_path / "mine", 1, Settings()) as tracking:
                tracking.points([(1, {"loss": 0.5})])
                if error:
                    raise error
        except (ValueError, KeyboardInterrupt):
            pass
        client = MlflowClient(tracking_uri=uri)
        (run,) = client.search_runs([client.get_experiment_by_name("demagnify").experiment_id])
        assert run.info.status == status
        assert run.data.params["inner.rate"] == "0.5"
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 1


class Listed(Tracker):
    """A tracker of somebody else's."""

    runs: ClassVar = {}

    def __init__(self, run, where):
        self.place = where or "nowhere"
        self.steps = self.runs.setdefault(run.key, {})
        assert isinstance(run, TrackedRun)

    place = ""

    def written(self):
        return self.steps

    def write(self, figures, step):
        if step == 13:
            raise OSError("the server is gone")
        for name in figures:
            self.steps.setdefault(name, []).append(step)


def test_a_tracker_of_ones_own_is_named_by_module_and_class(tmp_path):
    lines = []
    with track(f"{__name__}:Listed", tmp_path / "mine", "own", log=lines.append) as tracking:
        tracking.points([(1, {"loss": 1.0}), (1, {"loss": 1.0}), (2, {"loss": 1.0})])
    assert {"loss": [1, 2]} in Listed.runs.values()
    assert lines == ["tracked in nowhere"]


def test_a_tracker_that_breaks_stops_no_work_and_says_so_once(tmp_path):
    with track(f"{__name__}:Listed", tmp_path / "mine", "broken") as tracking:
        with pytest.warns(DemagnifyWarning, match="tracked no more: OSError: the server is gone"):
            tracking.points([(12, {"loss": 1.0}), (13, {"loss": 1.0}), (14, {"loss": 1.0})])
        tracking.points([(14, {"loss": 1.0})])
    assert {"loss": [12]} in Listed.runs.values()


def test_without_a_tracker_nothing_happens(tmp_path):
    with track(None, tmp_path / "mine", 1) as tracking:
        tracking.under("a").points([(1, {"loss": 1.0})])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "error", "complaint"),
    [
        ("tensorbord", UnknownNameError, "did you mean tensorboard"),
        ("pathlib:Path", BadConfigError, "is no tracker"),
        ("no.such.module:Class", BadConfigError, "there is no module"),
    ],
)
def test_what_is_no_tracker_is_refused_in_one_line(spec, error, complaint):
    with pytest.raises(error, match=complaint) as caught:
        check_tracker(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", list(READERS))
def test_a_missing_package_is_named_with_the_command(name, monkeypatch):
    monkeypatch.setattr("demagnify.core.trackers.tracking.find_spec", lambda _: None)
    with pytest.raises(BadConfigError, match=rf"pip install .*\[{name}\]'"):
        check_tracker(name)


def test_a_place_that_cannot_be_used_is_refused_in_one_line(kind, tmp_path):
    (tmp_path / "file").write_text("no folder")
    where = Path("file", "below") if kind == "tensorboard" else Path("file", "below.db")
    with (
        pytest.raises(DemagnifyError, match="cannot") as caught,
        track(f"{kind}:{tmp_path / where}", tmp_path / "mine", 1),
    ):
        pass
    assert "\n" not in str(caught.value)
