"""The notebook runs, and what it prints is what stands in it."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "nielsen.ipynb"


def printed(notebook):
    """The texts that each cell gives, without the seconds that a run took."""
    texts = []
    for cell in notebook.cells:
        parts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.get("outputs", [])]
        texts.append(re.sub(r"\d+\.\d+ s\b", "... s", "".join(parts)))
    return texts


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    return nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()


def test_it_prints_what_stands_in_it(executed):
    """Numbers, verdicts and digests: the same on every machine."""
    kept = nbformat.read(NOTEBOOK, as_version=4)
    assert printed(executed) == printed(kept)
    assert sum("image/png" in out.get("data", {}) for cell in kept.cells for out in cell.get("outputs", [])) == 2
    assert any("as expected" in text for text in printed(kept))


def test_it_names_no_machine():
    assert not re.search(r"/(home|root|work|tmp)/", NOTEBOOK.read_text())
