"""The script that counts enhanced real faces called fake, and sets the limits for them."""

import numpy as np

import scripts
from demagnify.inference.calibration import Calibration


def rows_of(faces=60, shift=1.0):
    """Real and fake faces of one set, untouched and enhanced by one network, which adds `shift`."""
    rng = np.random.default_rng(0)
    logits = np.concatenate([rng.normal(-3, 2, faces), rng.normal(5, 2, faces)])
    names = np.array([f"{row}" for row in range(2 * faces)])
    return {
        "logit": np.concatenate([logits, logits + shift]),
        "answer": np.repeat(["captured", "enhanced"], 2 * faces),
        "label": np.tile(np.repeat([0, 1], faces), 2),
        "group": np.tile(names, 2),
        "name": np.tile(names, 2),
        "set": np.full(4 * faces, "some"),
        "network": np.repeat(["none", "srmd-x4"], 2 * faces),
        "quality": np.zeros(4 * faces, dtype=int),
    }


def test_enhanced_real_faces_are_called_fake_no_oftener_than_untouched_ones(monkeypatch):
    script = scripts.load("enhanced_reals")
    monkeypatch.setattr(script, "NETWORKS", {"srmd-x4": 1})
    rows, shipped = rows_of(), Calibration.beside("default")
    part = script.fit_enhanced(rows, shipped)
    everyone = shipped.parts["any"]
    assert part.threshold >= everyone.threshold
    assert part.real_below <= everyone.real_below
    real = rows["label"] == 0
    plain, enhanced = (rows["network"] == one for one in ("none", "srmd-x4"))
    before = (rows["logit"][real & plain] > everyone.threshold).sum()
    assert (rows["logit"][real & enhanced] > everyone.threshold).sum() > before
    assert (rows["logit"][real & enhanced] > part.threshold).sum() <= before
