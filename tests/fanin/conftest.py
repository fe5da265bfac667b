"""Fixtures: one writes an input file, bytes as they are, an array as .npy; one reads a study from its text."""

import numpy as np
import pytest

from fanin.study_file import load_study


@pytest.fixture
def study(tmp_path):
    def read(text):
        path = tmp_path / "study.toml"
        path.write_text(text)
        return load_study(path)

    return read


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content)
        return path

    return write
