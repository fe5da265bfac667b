"""Result files: a report with all it needs to be shown again, and judged again with another alpha or tolerance.

A `.json` file is the object that `fanin verify --json` prints, with the key "state": the study (laws, inputs, data, claims) and the
exact accumulators of each ensemble. A `.nc` file (netCDF-4, extra `io`) holds the same object and, for other tools, the labelled
data of each ensemble.

Guarantee: a file is written whole or not at all, and never over another unless told so. A file that was changed in any value, cut
off or made up is refused in one sentence: the document carries its own sha256, and each result its digest. Verdicts are not read
but judged again; versions, machine and seconds are those of the run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from fanin.data.files import memory_lent
from fanin.engine.errors import SpecificationError
from fanin.report import Report
from fanin.result import Result
from fanin.result_file.netcdf import PACKAGES, pack, unpack
from fanin.result_file.plain_values import expect, expect_keys
from fanin.result_file.state import check_study, read_state, write_state
from fanin.result_file.strict_json import compact, parse, shown
from fanin.studies import Study
from fanin.whole_file import refuse_unwritable, write_whole

SUFFIXES = (".json", ".nc")
_GROWTH = 24  # bytes of Python objects for one byte of JSON, at most
_LONGEST = 400  # characters of an error message


@dataclasses.dataclass(frozen=True, eq=False)
class Saved:
    """What a result file holds: a study, its results by ensemble, and how they were judged."""

    study: Study
    results: dict[str, Result]
    alpha: float
    tolerance: float
    watched: bool


def save_report(report: Report, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a report to a .json or .nc file; see `Report.save`."""
    target = check_target(path, overwrite, report.study)
    document = report.to_dict() | {"state": write_state(report.study, report.results)}
    document["state"]["sha256"] = _sha256(document)
    data = json.dumps(document, allow_nan=False, ensure_ascii=False).encode() + b"\n"
    if target.suffix.lower() == ".nc":
        data = pack(data, {label: result.to_xarray() for label, result in report.results.items()})
    write_whole(target, data, overwrite)


def check_target(path: str | os.PathLike[str], overwrite: bool = False, study: Study | None = None) -> Path:
    """Refuse a result file that could not be written, so that no run is lost: before anything is sampled.

    Raises
    ------
    SpecificationError
        For a suffix other than .json and .nc, a package that is not installed, a folder that is not there or cannot be written
        to, a file that is there already (unless `overwrite`), or a study that a file cannot hold.
    """
    target = _named(path)
    try:
        _check_place(target, overwrite)
    except OSError as error:
        raise SpecificationError(f"{target} cannot be written: {error.strerror or error}") from None
    if study is not None:
        check_study(study)
    return target


def _named(path: str | os.PathLike[str]) -> Path:
    """A path with the suffix of a result file whose packages are installed."""
    named = Path(path)
    if named.suffix.lower() not in SUFFIXES:
        raise SpecificationError(f"{named} is not a result file; its name must end in {' or '.join(SUFFIXES)}")
    if named.suffix.lower() == ".nc":
        for package in PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise SpecificationError(f"{named} needs {package}, which is not installed; pip install 'fanin[io]'")
    return named


def _check_place(target: Path, overwrite: bool) -> None:
    folder = target.parent
    if not folder.is_dir():
        raise SpecificationError(f"{target} cannot be written: the folder {folder} does not exist")
    if target.is_dir():
        raise SpecificationError(f"{target} is a folder; give the name of a file")
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise SpecificationError(f"{target} exists already; give another name, or ask to overwrite it")
    refuse_unwritable(target)


def read(path: str | os.PathLike[str]) -> Saved:
    """What a result file holds, without judging it.

    Raises
    ------
    SpecificationError
        Where the file cannot be read, was not written by this version of fanin, or was changed since.
    """
    source = _named(path)
    try:
        return _read(source)
    except SpecificationError as error:
        raise _refusal(source, "loaded", error) from None
    except RecursionError:
        raise SpecificationError(f"{source} cannot be loaded: it is nested too deeply") from None
    except OSError as error:
        raise SpecificationError(f"{source} cannot be read: {error.strerror or error}") from None


def load_report(path: str | os.PathLike[str]) -> Report:
    """Read a result file and judge its claims again, with the alpha and the tolerance of the run.

    Raises
    ------
    SpecificationError
        Where the file cannot be read, was not written by this version of fanin, or was changed since.

    Examples
    --------
    >>> import tempfile
    >>> from fanin import Ensemble, verify
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = verify(Ensemble((10, 1)), networks=4096, seed=1)
    ...     report.save(f"{folder}/run.json")
    ...     load_report(f"{folder}/run.json").digest == report.digest
    True
    """
    from fanin.verification import judge_all

    saved = read(path)
    try:
        return judge_all(saved.study, saved.results, saved.alpha, saved.tolerance, saved.watched)
    except SpecificationError as error:
        raise _refusal(Path(path), "judged", error) from None


def _refusal(source: Path, done: str, error: SpecificationError) -> SpecificationError:
    """The error with the name of the file before it, in one line of bounded length."""
    text = " ".join(str(error).split())
    return SpecificationError(f"{source} cannot be {done}: {text if len(text) <= _LONGEST else f'{text[: _LONGEST - 3]}...'}")


def _read(source: Path) -> Saved:
    if not source.is_file():
        raise SpecificationError("it is not a file" if source.exists() else "there is no such file")
    most = memory_lent() // _GROWTH
    if source.stat().st_size > most:
        raise SpecificationError(f"it has {source.stat().st_size} bytes; this machine reads at most {most}")
    document = parse(unpack(source, most) if source.suffix.lower() == ".nc" else source.read_bytes())
    state = expect(expect(document, dict, "the document").get("state"), dict, "state")
    _check_sha256(document, state.pop("sha256", None))
    for key, least, most in (("alpha", 0.0, 1.0), ("tolerance_factor", 0.0, float("inf"))):
        if not least < expect(document.get(key), float, key) < most:
            raise SpecificationError(f"{key} is {document[key]}; it must lie between {least} and {most}, both excluded")
    if document.get("until") not in (None, "decided"):
        raise SpecificationError(f"until is {shown(document['until'])}; it must be null or decided")
    watched = document.get("until") == "decided"
    study, results = read_state(state, expect(document.get("provenance"), dict, "provenance"))
    _check_head(document, Report(study, results, [], document["alpha"], document["tolerance_factor"], watched).to_dict())
    results = {label: dataclasses.replace(result, watched=watched) for label, result in results.items()}
    return Saved(study, results, document["alpha"], document["tolerance_factor"], watched)


def _check_head(document: Any, head: dict[str, Any]) -> None:
    """What stands beside the state, for readers of --json, must say the same. Claims are judged again, by this version."""
    expect_keys(document, (*head, "state"), "the document")
    for key, value in head.items():
        if key not in ("fanin", "claims", "diagnosis") and compact(value) != compact(document[key]):
            raise SpecificationError(f"{key} does not say what the state says")


def _check_sha256(document: Any, stated: Any) -> None:
    if stated != _sha256(document):
        raise SpecificationError("it does not have the sha256 that it states; it was changed or damaged")


def _sha256(document: Any) -> str:
    """Of a document whose state has no sha256 yet: over its values in the order in which they stand."""
    return hashlib.sha256(compact(document).encode()).hexdigest()
