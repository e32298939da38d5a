"""A cluster of two nodes on this machine: one is lost, and the object store is full."""

import os
import sys
import threading
import time

import numpy as np
import pytest
from pyarrow import parquet
from toy_task import Measure

from demagnify.core import engine
from demagnify.core.engine import EngineOptions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
STORE = 80 * 2**20


@pytest.fixture
def cluster(monkeypatch):
    """Starts two nodes of one processor each, with the smallest object stores."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'demagnify[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False},
    )
    made.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_lost_node_and_a_full_object_store_lose_no_row(cluster, tmp_path):
    import ray

    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    texts = ["slow", "a", "empty", "slow"] * 6
    for number, text in enumerate(texts):
        (folder / f"{number:03d}.jpg").write_text(text)
    paths = sorted(map(str, folder.glob("*.jpg")))
    pinned = [ray.put(np.zeros(STORE // 8, np.uint8)) for _ in range(8)]
    gone = threading.Thread(target=_lose, args=(cluster, output))
    gone.start()
    summary = engine.run(Measure(), paths, output, EngineOptions(engine="ray", workers=2, unit=1))
    gone.join()
    assert len([node for node in ray.nodes() if node["Alive"]]) == 1
    engine.run(Measure(), paths, tmp_path / "here", EngineOptions(workers=0, unit=1))
    assert summary.items == len(texts)
    assert _rows(output) == _rows(tmp_path / "here")
    assert all(ray.get(one)[0] == 0 for one in pinned)


def _lose(cluster, output):
    until = time.monotonic() + 60
    while len(list(output.glob("shards/*.parquet"))) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)


def _rows(output):
    found = parquet.read_table(output / "shards").to_pylist()
    return sorted(found, key=lambda row: row["item"])
