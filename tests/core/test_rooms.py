"""A room depends only on rooms below it; pyproject.toml lists them in their order."""

from pathlib import Path

from importlinter.cli import lint_imports

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_a_room_depends_only_on_rooms_below_it():
    assert lint_imports(config_filename=str(PYPROJECT), no_cache=True) == 0
