"""The attacker's search on tables of scores, where the right answer can be worked out by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demagnify.core.errors import DemagnifyError
from demagnify.evaluation.adaptive import SearchConfig
from demagnify.evaluation.adaptive.search import ORIGINAL, search

REAL, FAKE = 0, 1
SAME = 30.0


class Table:
    """A detector that reads its scores from a table; the last column is the original's."""

    def __init__(self, scores):
        self.scores = np.asarray(scores, dtype=np.float32)
        self.asked = []

    def __call__(self, rows, attacks):
        self.asked += zip(rows.tolist(), attacks.tolist(), strict=True)
        return self.scores[rows, attacks]


def run(labels, scores, psnr=None, *, threshold=0.0, **options):
    table = Table(scores)
    shape = (len(labels), table.scores.shape[1] - 1)
    quality = np.full(shape, SAME) if psnr is None else np.broadcast_to(psnr, shape)
    options = SearchConfig(**options)
    return search(labels, quality, table, threshold=threshold, config=options), table


def test_fakes_are_pulled_down_and_real_faces_up():
    scores = [[-1, -3, 2, 5], [3, 1, -2, -5]]
    found, _ = run([FAKE, REAL], scores)
    assert found.winner.tolist() == [1, 0]
    assert found.after.tolist() == [-3, 3]
    assert found.before.tolist() == [5, -5]
    assert found.succeeded.all()
    assert found.queries.tolist() == [4, 4]
    assert found.success_at.tolist() == [2, 2]


def test_a_score_on_the_threshold_means_real():
    found, _ = run([FAKE, REAL], [[0.5, 1.0], [0.5, 0.0]], threshold=0.5)
    assert found.succeeded.tolist() == [True, False]


def test_misclassified_faces_are_left_after_one_query():
    found, table = run([FAKE, REAL], [[-9, -1], [9, 1]])
    assert found.mistaken.all()
    assert not found.attackable.any()
    assert not found.succeeded.any()
    assert found.winner.tolist() == [ORIGINAL, ORIGINAL]
    assert found.queries.tolist() == [1, 1]
    assert table.asked == [(0, ORIGINAL), (1, ORIGINAL)]


def test_where_nothing_helps_the_original_stays():
    found, _ = run([FAKE, FAKE], [[4, 5, 4], [4, 3, 4]])
    assert found.winner.tolist() == [ORIGINAL, 1]
    assert found.after.tolist() == [4, 3]
    assert not found.succeeded.any()


def test_of_equal_scores_the_closer_one_wins():
    found, _ = run([FAKE], [[-2, -2, -2, 1]], [[30, 40, 35]], order="given")
    assert found.winner.tolist() == [1]


def test_stopping_takes_the_first_success_and_asks_no_more():
    scores = [[1, -1, -9, 2]]
    found, table = run([FAKE], scores, order="given", stop_at_success=True)
    assert found.winner.tolist() == [1]
    assert found.queries.tolist() == found.success_at.tolist() == [3]
    assert table.asked == [(0, ORIGINAL), (0, 0), (0, 1)]


def test_the_closest_is_tried_first():
    found, table = run(
        [FAKE], [[-1, -1, -1, 2]], [[30, 45, 40]], order="quality", stop_at_success=True
    )
    assert table.asked == [(0, ORIGINAL), (0, 1)]
    assert found.winner.tolist() == [1]


def test_what_succeeded_before_is_tried_first_on_faces_of_the_same_label():
    # On fakes only attack 2 works, on real faces only attack 1.
    scores = [[5, 5, -5, 5]] * 6 + [[-5, 5, -5, -5]] * 6
    labels = [FAKE] * 6 + [REAL] * 6
    found, _ = run(labels, scores, order="success", stop_at_success=True, block=1)
    assert found.succeeded.all()
    assert found.queries.tolist() == [4, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 2]
    plain, _ = run(labels, scores, order="given", stop_at_success=True)
    assert found.queries.sum() < plain.queries.sum()


def test_nothing_below_the_floor_is_tried():
    found, table = run([FAKE, FAKE], [[-1, -9, 1]] * 2, [[41, 39], [39, 39]], min_psnr=40)
    assert found.winner.tolist() == [0, ORIGINAL]
    assert Counter(table.asked) == Counter([(0, ORIGINAL), (0, 0), (1, ORIGINAL)])


@pytest.mark.parametrize(("targets", "attacked"), [("fakes", FAKE), ("reals", REAL)])
def test_only_targets_are_asked_about(targets, attacked):
    labels = np.array([REAL, FAKE, REAL, FAKE])
    found, table = run(labels, [[0, 0]] * 4, threshold=-0.5, targets=targets)
    assert found.targeted.tolist() == (labels == attacked).tolist()
    assert {row for row, _ in table.asked} == set(np.flatnonzero(labels == attacked))
    others = labels != attacked
    assert (found.queries[others] == 0).all()
    assert np.isnan(found.before[others]).all()


@pytest.mark.parametrize("wrong", [{"budget": 1}, {"min_psnr": -1}, {"block": 0}, {"order": "x"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))) as caught:
        SearchConfig(**wrong)
    assert not isinstance(caught.value, DemagnifyError)


@st.composite
def worlds(draw):
    faces, attacks = draw(st.integers(0, 6)), draw(st.integers(1, 4))
    small = st.integers(-2, 2)
    scores = draw(
        st.lists(
            st.lists(small, min_size=attacks + 1, max_size=attacks + 1),
            min_size=faces,
            max_size=faces,
        )
    )
    psnr = draw(
        st.lists(
            st.lists(st.sampled_from([20.0, 30.0, np.inf]), min_size=attacks, max_size=attacks),
            min_size=faces,
            max_size=faces,
        )
    )
    labels = draw(st.lists(st.integers(0, 1), min_size=faces, max_size=faces))
    shape = (faces, attacks)
    return (
        np.array(labels, dtype=np.int64),
        np.array(scores, dtype=np.float32).reshape(faces, attacks + 1),
        np.array(psnr).reshape(shape),
    )


choices = st.builds(
    SearchConfig,
    budget=st.integers(2, 6),
    stop_at_success=st.booleans(),
    order=st.sampled_from(["success", "quality", "given"]),
    targets=st.sampled_from(["fakes", "reals", "all"]),
    min_psnr=st.sampled_from([0.0, 25.0]),
    block=st.integers(1, 4),
)


@settings(max_examples=150, deadline=None)
@given(world=worlds(), options=choices)
def test_queries_are_counted_kept_within_the_budget_and_never_repeated(world, options):
    labels, scores, psnr = world
    table = Table(scores)
    found = search(labels, psnr, table, threshold=0.0, config=options)
    assert len(set(table.asked)) == len(table.asked)
    per_face = Counter(row for row, _ in table.asked)
    assert found.queries.tolist() == [per_face[row] for row in range(len(labels))]
    assert found.queries.max(initial=0) <= options.budget
    tried = [pair for pair in table.asked if pair[1] != ORIGINAL]
    assert sorted(zip(*np.nonzero(found.tried), strict=True)) == sorted(tried)
    for row, attack in tried:
        assert psnr[row, attack] >= options.min_psnr
        assert found.turned[row, attack] == ((scores[row, attack] > 0) != (labels[row] == 1))


@settings(max_examples=150, deadline=None)
@given(world=worlds(), options=choices)
def test_the_winner_is_the_best_of_what_was_tried(world, options):
    labels, scores, psnr = world
    found = search(labels, psnr, Table(scores), threshold=0.0, config=options)
    for row in np.flatnonzero(found.targeted):
        pull = -1 if labels[row] else 1
        known = [(pull * scores[row, ORIGINAL], np.inf)]
        known += [(pull * scores[row, m], psnr[row, m]) for m in np.flatnonzero(found.tried[row])]
        winner = found.winner[row]
        quality = np.inf if winner == ORIGINAL else psnr[row, winner]
        assert (pull * found.after[row], quality) == max(known)
        assert found.after[row] == scores[row, winner]
        right_before = (scores[row, ORIGINAL] > 0) == bool(labels[row])
        wrong_after = (found.after[row] > 0) != bool(labels[row])
        assert found.succeeded[row] == (right_before and wrong_after)
        assert found.mistaken[row] == (not right_before)


@settings(max_examples=60, deadline=None)
@given(world=worlds(), options=choices)
def test_with_budget_for_all_it_is_an_exhaustive_search_in_any_order(world, options):
    labels, scores, psnr = world
    whole = options.model_copy(update={"budget": 9, "stop_at_success": False})
    first = search(labels, psnr, Table(scores), threshold=0.0, config=whole)
    for order in ("success", "quality", "given"):
        other = whole.model_copy(update={"order": order, "block": 3})
        again = search(labels, psnr, Table(scores), threshold=0.0, config=other)
        np.testing.assert_array_equal(first.after, again.after)
        np.testing.assert_array_equal(first.succeeded, again.succeeded)
        np.testing.assert_array_equal(first.queries, again.queries)


@settings(max_examples=60, deadline=None)
@given(world=worlds(), options=choices)
def test_side_by_side_is_as_one_by_one_unless_it_learns(world, options):
    labels, scores, psnr = world
    fixed = options.model_copy(update={"order": "quality"})
    side_by_side = search(labels, psnr, Table(scores), threshold=0.0, config=fixed)
    for row in range(len(labels)):
        part = slice(row, row + 1)
        alone = search(labels[part], psnr[part], Table(scores[part]), threshold=0.0, config=fixed)
        for name in ("winner", "queries", "success_at", "after", "succeeded", "mistaken"):
            np.testing.assert_array_equal(getattr(side_by_side, name)[part], getattr(alone, name))
