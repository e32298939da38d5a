"""Who gets whose face."""

from pathlib import Path

import numpy as np
import pytest
from drawn_faces import EYES, draw_face

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.data.face_finding import Face
from demagnify.data.sample.portraits import METHODS, choose_donors, find_portrait, rng_for


@pytest.fixture
def portrait(tmp_path, finder):
    def make(seed, **options):
        pixels, marks = draw_face(seed, **options)
        finder.add(pixels, marks)
        path = tmp_path / f"{seed}.png"
        images.save_png(path, pixels)
        return find_portrait(path, str(seed), finder)

    return make


def test_nobody_is_their_own_donor_and_each_gets_one_recipe(portrait):
    portraits = [portrait(seed) for seed in range(20)]
    recipes = choose_donors(portraits, seed=0)
    assert [recipe.target for recipe in recipes] == portraits
    assert all(recipe.donor is not recipe.target for recipe in recipes)
    assert all((recipe.donor is None) == (recipe.method == "self-blend") for recipe in recipes)
    assert {recipe.method for recipe in recipes} == set(METHODS)


def test_the_seed_chooses(portrait):
    portraits = [portrait(seed) for seed in range(20)]

    def chosen(seed):
        recipes = choose_donors(portraits, seed=seed)
        return [(recipe.method, recipe.donor and recipe.donor.name) for recipe in recipes]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def test_one_photograph_alone_becomes_a_self_blend(portrait):
    for seed in range(8):
        (recipe,) = choose_donors([portrait(3)], seed=seed)
        assert (recipe.method, recipe.donor) == ("self-blend", None)
    assert choose_donors([], seed=0) == []


def test_donors_are_turned_like_their_targets(portrait):
    left = [portrait(seed, turn=-0.2) for seed in range(8)]
    right = [portrait(100 + seed, turn=0.2) for seed in range(8)]
    recipes = [r for seed in range(4) for r in choose_donors(left + right, seed=seed) if r.donor]
    assert len(recipes) > 10
    assert all((recipe.target in left) == (recipe.donor in left) for recipe in recipes)


def test_a_face_turned_far_away_becomes_a_self_blend(portrait):
    turned = [portrait(seed, turn=0.8) for seed in range(6)]
    assert {recipe.method for recipe in choose_donors(turned, seed=0)} == {"self-blend"}


def test_generators_depend_on_all_that_names_them():
    draws = {
        rng_for(seed, purpose, name).random()
        for seed in (0, 1)
        for purpose in ("fake", "recipe")
        for name in ("a", "b")
    }
    assert len(draws) == 8


def test_a_portrait_is_the_photograph_around_the_face(portrait):
    found = portrait(5, width=1200, height=900)
    pixels = found.pixels()
    assert pixels.shape[0] == pixels.shape[1] == found.frame.side
    assert np.hypot(*(found.landmarks[1] - found.landmarks[0])) == pytest.approx(EYES, rel=0.1)
    original = images.load(found.path)
    x, y, side = found.frame
    assert np.array_equal(pixels, original[y : y + side, x : x + side])
    assert found.crop(pixels, 64).shape == (64, 64, 3)


def test_a_large_portrait_is_shrunk_with_its_landmarks(tmp_path, finder):
    pixels, marks = draw_face(5)
    large = images.fit(pixels[:178], 1780)
    finder.add(large, marks * 10)
    images.save_png(tmp_path / "large.png", large)
    found = find_portrait(tmp_path / "large.png", "large", finder)
    assert max(found.pixels().shape) == 448
    scale = 448 / found.frame.side
    assert np.allclose(found.landmarks, (marks * 10 - found.frame[:2]) * scale, atol=0.01)


def test_photographs_without_a_usable_face_are_refused(tmp_path, finder):
    with pytest.raises(BadImageError, match="there is no such file"):
        find_portrait(Path("none.png"), "none", finder)
    pixels, marks = draw_face(5)
    images.save_png(tmp_path / "a.png", pixels)
    with pytest.raises(BadImageError, match="no face was found"):
        find_portrait(tmp_path / "a.png", "a", finder)
    small = Face((80.0, 80.0, 47.0, 60.0), marks.astype(np.float32), 0.9)
    finder.known[pixels.tobytes()] = [small]
    with pytest.raises(BadImageError, match="less than 48 pixels"):
        find_portrait(tmp_path / "a.png", "a", finder)
