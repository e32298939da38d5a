"""Contract of data formats, for every registered one."""

import pytest

from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.data import Manifest
from demagnify.data.formats import FORMATS, Format, FormatOptions, create, find


@pytest.fixture(params=list(FORMATS))
def kind(request):
    return create(request.param)


def test_it_is_known_by_its_name(kind):
    assert isinstance(kind, Format)
    assert type(create(kind.name)) is type(kind)
    assert kind.summary
    assert "\n" not in kind.summary


def test_its_settings_have_defaults_and_descriptions(kind):
    assert isinstance(kind.parse_options({}), FormatOptions)
    for field in kind.options_type.model_fields.values():
        assert field.description
    with pytest.raises(BadConfigError, match=f"the format {kind.name}.*colour"):
        kind.parse_options({"colour": "red"})


def test_it_does_not_recognise_what_is_nothing(kind, tmp_path):
    (tmp_path / "notes.md").write_text("notes")
    (tmp_path / "any.json").write_bytes(b"\x00{[")
    for source in (tmp_path, tmp_path / "notes.md", tmp_path / "any.json"):
        assert not kind.recognises(source)
        assert find(source) is None


def test_what_it_cannot_read_is_refused_in_one_line(kind, tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(BadManifestError) as caught:
        Manifest.load(tmp_path / "set", format=kind.name)
    assert "\n" not in str(caught.value)
