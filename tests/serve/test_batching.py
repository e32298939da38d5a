import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from demagnify.core.errors import BadConfigError, DemagnifyError
from demagnify.inference.runtime import Decided
from demagnify.serve.batching import BatchingRuntime


class Mean:
    """A crop's logit is its mean; crops of 255 are refused."""

    name, fingerprint, input_size, threshold, actions = "mean", "", 2, 0.0, ("identity",)
    views = 1

    def __init__(self):
        self.threads, self.started, self.go_on = set(), threading.Event(), threading.Event()

    def decide(self, crops):
        self.threads.add(threading.current_thread().name)
        self.started.set()
        self.go_on.wait(5)
        if crops.max(initial=0) == 255:
            raise BadConfigError("no finite number")
        logits = crops.mean((1, 2, 3), dtype=np.float32)
        return Decided(logits=logits, actions=np.zeros(len(crops), np.int64), abstained=logits > 9)


def crops(*values):
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


@pytest.fixture
def mean():
    return Mean()


@pytest.fixture
def sizes():
    return []


@pytest.fixture
def batching(mean, sizes):
    made = BatchingRuntime(mean, most=4, on_batch=sizes.append)
    yield made
    mean.go_on.set()
    made.close()


def test_crops_that_wait_become_one_batch_and_each_caller_gets_its_own(batching, mean, sizes):
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(batching.decide, crops(1))
        assert mean.started.wait(5)
        others = [pool.submit(batching.decide, crops(2 * n, 2 * n + 1)) for n in range(1, 5)]
        while len(batching._jobs) < 4:
            threading.Event().wait(0.01)
        mean.go_on.set()
        assert first.result().logits.tolist() == [1]
        found = [other.result() for other in others]
    assert [one.logits.tolist() for one in found] == [[2, 3], [4, 5], [6, 7], [8, 9]]
    assert [one.uncertainty for one in found] == [None] * 4
    assert sizes == [1, 4, 4]
    assert mean.threads == {"demagnify-model"}


def test_a_fault_reaches_its_own_caller_alone(batching, mean):
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batching.decide, crops(1))
        assert mean.started.wait(5)
        bad, good = (pool.submit(batching.decide, crops(value)) for value in (255, 3))
        while len(batching._jobs) < 2:
            threading.Event().wait(0.01)
        mean.go_on.set()
        assert first.result().logits.tolist() == [1]
        assert good.result().logits.tolist() == [3]
        with pytest.raises(BadConfigError):
            bad.result()
    assert batching.alive


def test_after_the_end_nothing_is_classified(batching, mean):
    mean.go_on.set()
    batching.close()
    assert not batching.alive
    with pytest.raises(DemagnifyError, match="stopping"):
        batching.decide(crops(1))
