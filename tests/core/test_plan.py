"""Hours and memory of a run, from measured times."""

import json

import pytest

from demagnify.core.engine.plan import Cost, Costs, plan
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.sealed import write_sealed


def cost(seconds):
    return Cost(
        seconds=seconds,
        low=seconds / 2,
        high=seconds * 2,
        inputs=9,
        start_seconds=10,
        memory_mib=1024,
    )


COSTS = Costs(
    machine="m",
    date="d",
    command="c",
    verbs={"detect": {"cpu": cost(0.1), "cuda": cost(0.01)}, "attack": {"cpu": cost(1)}},
)


def test_time_is_shared_by_the_workers_and_memory_is_not():
    one, two = (plan(COSTS, images=1000, cores=cores)["detect"] for cores in (1, 2))
    assert one.seconds == pytest.approx(10 + 100)
    assert two.seconds == pytest.approx(10 + 50)
    assert (two.low, two.high) == pytest.approx((10 + 25, 10 + 100))
    assert two.memory_gib - one.memory_gib == pytest.approx(1)
    assert one.per_second == pytest.approx(10)


def test_gpus_have_their_own_measured_times_or_none():
    found = plan(COSTS, images=1000, cores=64, gpus=2)
    assert list(found) == ["detect"]
    assert found["detect"].seconds == pytest.approx(10 + 5)
    with pytest.raises(BadConfigError, match="no time of a GPU was measured"):
        plan(Costs.load(), images=1000, cores=1, gpus=1)


def test_the_times_that_ship_name_machine_date_and_command():
    costs = Costs.load()
    assert costs.machine
    assert costs.date
    assert "benchmarks/scale.py rates" in costs.command
    for kinds in costs.verbs.values():
        assert 0 < kinds["cpu"].low <= kinds["cpu"].seconds <= kinds["cpu"].high
        assert kinds["cpu"].inputs >= 100


def test_a_file_that_holds_no_times_is_refused(tmp_path):
    write_sealed(tmp_path / "costs.json", {"machine": "m"})
    with pytest.raises(BadArtifactError, match="date"):
        Costs.load(tmp_path / "costs.json")
    with pytest.raises(BadArtifactError, match="No such file"):
        Costs.load(tmp_path / "none.json")
    (tmp_path / "costs.json").write_text(json.dumps({"machine": "m"}))
    with pytest.raises(BadArtifactError, match="it has no SHA-256"):
        Costs.load(tmp_path / "costs.json")
