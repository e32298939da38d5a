import sys
import warnings

import pytest

from demagnify import cli

CODE = """
import warnings

from demagnify.core.errors import DemagnifyWarning

warnings.warn("the sky is low", DemagnifyWarning)
warnings.warn("of a library's own", UserWarning)


def score(images):
    return images.float().mean(dim=(1, 2, 3))
"""


def test_what_the_user_should_know_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "warning_scorer.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    arguments = ["evaluate", "--data", "nowhere", "--defense", "warning_scorer:score"]
    monkeypatch.setattr(sys, "argv", ["demagnify", *arguments, "--device", "cpu"])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with pytest.raises(SystemExit):
            cli.main()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "demagnify: the sky is low"
    assert "warning_scorer.py" in lines[1]
    assert "UserWarning: of a library's own" in lines[1]
    assert "nowhere" in lines[-1]
