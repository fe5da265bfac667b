"""A few thousand of the damaged, edited and forged result files of `tests.campaigns.fuzz_results`; the campaign reads 1e5."""

import json

import pytest

from fanin import result_file
from fanin.result_file import netcdf
from fanin.result_file import state as state_module
from tests.campaigns.fuzz_results import run, run_apart

JSON, NETCDF = range(700), range(250)


def test_json_files():
    found = run(JSON, ".json")
    assert found.total() == len(JSON)
    for kind in ("raw", "sealed", "forged"):
        assert found[f"{kind} refused"] > 50
        assert found[f"{kind} accepted"] > 5


def test_netcdf_files_in_a_process_of_their_own():
    """Some of them pass the seal, so that HDF5 itself reads damaged bytes."""
    found = run_apart(NETCDF, ".nc")
    assert found.total() == len(NETCDF)
    assert found["sealed accepted"] > 20  # damage to the copies for other tools
    assert found["sealed refused"] > 50


NOTHING = lambda *_: None  # noqa: E731
FAULTS = {
    "changed results were accepted": {
        (state_module, "_check_digest"): NOTHING,
        (state_module, "compact"): NOTHING,
        (result_file, "_check_head"): NOTHING,
    },
    "a changed file was accepted": {(result_file, "_check_sha256"): NOTHING},
    "JSONDecodeError|ValueError": {(result_file, "parse"): json.loads},
}


@pytest.mark.parametrize("message", FAULTS)
def test_planted_faults_are_found(monkeypatch, message):
    """Without any comparison of digests, without the sha256 of the document, with any JSON."""
    for place, fault in FAULTS[message].items():
        monkeypatch.setattr(*place, fault)
    with pytest.raises(AssertionError, match=message):
        run(JSON, ".json")


def test_a_crash_of_the_child_is_found(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(SystemExit, match="exit code 1"):
        run_apart(range(1), ".nc")
    assert netcdf.PACKAGES == ("h5py", "h5netcdf")
