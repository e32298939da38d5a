"""Work in threads: in order, a few items ahead, and over when the caller stops."""

import threading

import pytest

from demagnify.core.parallel import in_threads, prefetch


def test_results_come_in_order():
    assert list(in_threads(lambda n: n * n, range(100), "squares", workers=3)) == [
        n * n for n in range(100)
    ]


def test_only_a_few_items_are_taken_ahead():
    taken = []

    def items():
        for number in range(10_000):
            taken.append(number)
            yield number

    results = in_threads(lambda n: n, items(), "numbers", workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) < 30
    results.close()


def test_a_failure_reaches_the_caller():
    def work(number):
        if number == 5:
            raise ValueError("five")
        return number

    results = in_threads(work, range(100), "numbers", workers=2)
    with pytest.raises(ValueError, match="five"):
        list(results)


def test_items_are_made_while_the_caller_is_busy():
    second = threading.Event()

    def items():
        yield 1
        second.set()
        yield 2

    numbers = prefetch(items())
    assert next(numbers) == 1
    assert second.wait(timeout=10)  # nobody has asked for the second yet
    assert list(numbers) == [2]


def test_a_failure_while_making_items_reaches_the_caller():
    def items():
        yield 1
        raise KeyError("two")

    numbers = prefetch(items())
    assert next(numbers) == 1
    with pytest.raises(KeyError, match="two"):
        next(numbers)


def test_making_stops_when_the_caller_does():
    closed = threading.Event()

    def items():
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            closed.set()

    numbers = prefetch(items(), depth=1)
    assert next(numbers) == 1
    before = threading.active_count()
    numbers.close()
    assert closed.is_set()
    assert threading.active_count() == before - 1


@pytest.mark.parametrize("start", [lambda: in_threads(abs, range(99)), lambda: prefetch(range(99))])
def test_an_abandoned_loop_joins_no_thread(monkeypatch, start):
    """The garbage collector ended one inside a starting thread: joining there waited for ever."""
    loop = start()
    next(loop)

    def refuse(_thread, timeout=None):
        raise AssertionError("joined")

    monkeypatch.setattr(threading.Thread, "join", refuse)
    loop.close()
