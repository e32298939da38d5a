"""What all documents share."""

import re

import pytest

from demagnify.core import documents


def test_a_document_says_when_it_was_made_or_what_the_environment_says(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", documents.created())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    assert documents.created() == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("odd", ["", "yesterday", "-1", "9" * 40, "١٢"])
def test_an_odd_environment_is_read_over(monkeypatch, odd):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", odd)
    assert documents.created() >= "2026"
