"""Objects for other processes: by value, but mapped files by name."""

import pickle

import numpy as np
import pytest

from demagnify.core.errors import BadConfigError
from demagnify.core.pickling import pickled


def test_mapped_files_are_sent_by_name(tmp_path):
    mapped = np.memmap(tmp_path / "faces", np.uint8, "w+", shape=(2**20,))
    mapped[:3] = 1, 2, 3
    mapped.flush()
    content = pickled({"faces": mapped, "some": mapped[:2]})
    assert len(content) < 2000
    found = pickle.loads(content)
    assert found["faces"][:3].tolist() == [1, 2, 3]
    assert found["some"].tolist() == [1, 2]


def test_what_cannot_be_sent_is_told_in_one_line():
    with pytest.raises(BadConfigError, match=r"cannot be sent to other processes.*lambda"):
        pickled(lambda: None)
