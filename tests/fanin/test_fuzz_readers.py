"""Every reader of files against generated files, whole and broken; and faults planted in a reader, which must be found."""

import numpy as np
import pytest

from fanin.data import idx
from tests.campaigns import fuzz_readers
from tests.campaigns.broken_files import FORMATS


def test_files_are_read_as_they_are_or_refused_in_a_sentence():
    found = fuzz_readers.fuzz(2500, seed=7)
    for kind in FORMATS:
        assert found[kind, "accepted"] > 50
        assert found[kind, "refused"] > 150


def test_the_campaign_says_what_it_found():
    line = fuzz_readers.fuzz_readers(count=50)
    assert line.startswith("50 files: npy ")
    assert "\n" not in line


def _padded(stream, size):
    """What is missing at the end of a file as zeros, as a careless reader leaves them."""
    data, done = np.zeros(min(size, 1 << 20), np.uint8), 0
    while done < len(data) and (got := stream.readinto(data.data[done:])):
        done += got
    return data[:done] if size == 1 else data  # the byte after the end is asked for alone


def _truncated_files_are_accepted(monkeypatch):
    for module in ("fanin.data.idx", "fanin.data.tables"):
        monkeypatch.setattr(f"{module}.read_bytes", _padded)
        monkeypatch.setattr(f"{module}.refuse_other_length", lambda complaint, held, announced: None)


def _bytes_after_gzip_are_ignored(monkeypatch):
    monkeypatch.setattr("fanin.data.idx.Inflated.remainder", lambda self: 0)


def _memory_is_not_bounded(monkeypatch):
    for module in ("fanin.data.files", "fanin.data.tables"):
        monkeypatch.setattr(f"{module}.refuse_if_too_large", lambda name, needed: None)


def _bytes_are_read_in_the_wrong_order(monkeypatch):
    monkeypatch.setitem(idx.TYPES, 0x0B, "<i2")


def _blank_lines_are_skipped(monkeypatch):
    monkeypatch.setattr(
        "fanin.data.tables._lines", lambda file, size, name: (line.decode("utf-8-sig") for line in file if line.strip())
    )


FAULTS = {
    "accepted, though broken": (_truncated_files_are_accepted, _bytes_after_gzip_are_ignored, _blank_lines_are_skipped),
    "bytes": (_memory_is_not_bounded,),
    "read otherwise": (_bytes_are_read_in_the_wrong_order,),
}


@pytest.mark.parametrize(
    ("plant", "complaint"), [(plant, complaint) for complaint, plants in FAULTS.items() for plant in plants], ids=lambda value: None
)
def test_a_planted_fault_is_found(monkeypatch, plant, complaint):
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=complaint):
        fuzz_readers.fuzz(4000, seed=11)
