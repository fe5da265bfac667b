"""Result files that were damaged, edited or made up: each is read as what was written, or refused in one sentence.

Every file is a pure function of its number. Three kinds:

- raw: a damaged or edited file. It is accepted only if it still says what the original says, to the last bit of every value.
- sealed: an edited document whose sha256 (and netCDF seal) was made to fit. It is accepted only with digests of the original.
- forged: results whose numbers were changed before they were written, digests and all. It may be accepted; then it must be judged,
  or refused by a sentence, as any other.

netCDF files are read in child processes, whose exit codes show a crash. Their memory is limited to 2 GiB.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import functools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import fanin
from fanin import result_file
from fanin.engine.accumulators import Accumulators
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import Bins, LayerSummary
from fanin.provenance import provenance
from fanin.result_file import netcdf as netcdf_form
from fanin.result_file.state import write_state
from fanin.stats.network_names import NETWORK_QUANTITIES
from fanin.stats.network_quantities import measure_network
from fanin.stats.quantities import QUANTITIES, measure
from fanin.stats.verdict import Claim

CHUNK = 2000
JUDGED = 100  # of so many files one is judged by load_report
_SLOWEST = 20.0  # seconds that one file may take
_ODD = (
    *(None, True, False, 0, -1, 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**40, -(2**63)),
    *(0.0, -0.0, 0.5, -1.5, 1e308, 5e-324, float("nan"), float("inf"), "infinity", "-infinity", "nan"),
    *("", "0x0", "-0x0", "0x" + "f" * 559, "0x" + "f" * 600, "a\x1b[2J", "\ud800", "x" * 5000, [], {}, [[]], {"a": 1}),
)


@functools.cache
def originals() -> tuple[fanin.Report, ...]:
    """Small reports that hold every kind of value."""
    rng = np.random.default_rng(0)
    rows = fanin.Inputs.rows(rng.normal(size=(7, 4)), scale=0.5, source="rows.npy", in_turn=True, preparation="standardize")
    claim = Claim("a/1/z.mean/own", "a", 1, "z.mean", 0.5, 0.25, "made up", error=float("inf"), expected="refuted")
    studies = (
        fanin.Study("one", "An ensemble.", {"a": fanin.Ensemble((4, 1), tails=())}, (claim,), networks=5000),
        fanin.Study(
            "two",
            "Data, a covariance, layers of two neurons.",
            {
                "b": fanin.Ensemble((4, 2), "student:1/fan_in,df=5+normal:1", "tanh", rows, (0.5, 1.0, 2.0)),
                "a": fanin.Ensemble((4, 1), "truncated:1,raw", inputs=fanin.Inputs.correlated(np.eye(4), source="eye")),
            },
        ),
        fanin.Study("three", "Most networks are not finite.", {"c": fanin.Ensemble((2, 1), "normal:3e38")}),
        fanin.Study(
            "four",
            "Networks, two inputs, a cost; some are not finite.",
            {
                "n": fanin.Ensemble(
                    (3, 4, 2), ["he_normal", "scaled"], ["relu", "sigmoid"], "pair:1:0.5", (1.0,), 1, "cross-entropy"
                ),
                "o": fanin.Ensemble((2, 3, 3), "normal:1e20", "relu", "gaussian", (), cost="quadratic", targets=(0.0, 0.5, 1.0)),
            },
            (Claim("n/2/q/own", "n", 2, "q", 0.5, 0.25, "made up", against="o"),),
            methods={"n": "conditional", "o": "conditional"},
        ),
    )
    reports = []
    for study in studies:
        methods = {name: study.methods.get(name, "direct") for name in study.ensembles}
        results = {
            name: fanin.simulate(e, networks=3000, seed=2**64 - 1, threads=1, method=methods[name])
            for name, e in study.ensembles.items()
        }
        origin = provenance(1)  # kept, so that it is not asked for at every file
        results = {name: dataclasses.replace(result, origin=origin) for name, result in results.items()}
        reports.append(fanin.Report(study, results, [], 0.01, 2.5))
    return tuple(reports)


@functools.cache
def document(which: int) -> bytes:
    """The JSON document of an original."""
    with tempfile.TemporaryDirectory() as folder:
        originals()[which].save(f"{folder}/a.json")
        return Path(f"{folder}/a.json").read_bytes()


@functools.cache
def netcdf(which: int) -> bytes:
    """The netCDF file of an original."""
    with tempfile.TemporaryDirectory() as folder:
        originals()[which].save(f"{folder}/a.nc")
        return Path(f"{folder}/a.nc").read_bytes()


@functools.cache
def content(which: int) -> str:
    """All that an original says."""
    return _content(originals()[which])


def _content(saved: fanin.Report | result_file.Saved) -> str:
    origins = [result.origin for result in saved.results.values()]
    state = write_state(saved.study, saved.results)
    state.pop("arrays")  # named by their hashes
    return json.dumps([state, saved.alpha, saved.tolerance, origins])


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes with some flipped, cut off, left out, doubled, exchanged, overwritten or put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, size = rng.randrange(max(len(out), 1)), rng.choice((1, 1, 4, 16, 300))
        match rng.randrange(7):
            case 0:
                if out:
                    out[at % len(out)] ^= 1 << rng.randrange(8)
            case 1:
                del out[at:]
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = out[at : at + size]
            case 4:
                other = rng.randrange(max(len(out), 1))
                out[at : at + size], out[other : other + size] = out[other : other + size], out[at : at + size]
            case 5:
                out[at : at + size] = rng.randbytes(size)
            case 6:
                out[at:at] = rng.choice(
                    (b"[" * 3000, b'{"a":' * 3000, b"9" * 5000, b"NaN", b"-Infinity", b"1e999", b" \n\t", b"\xff")
                )
    return bytes(out)


def _places(value, long, found):
    """Every container in a tree with its keys; of a long list a few, unless `long` is asked for."""
    keys = list(value) if isinstance(value, dict) else range(len(value) if long else min(len(value), 5))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            _places(value[key], long, found)
    return found


def edited(data: bytes, rng: random.Random) -> dict:
    """A document with keys or values removed, renamed, replaced, exchanged, nested or changed a little."""
    tree = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2))):
        found = _places(tree, rng.random() < 0.05, [])
        if not found:
            break
        at, key = rng.choice(found)
        match rng.randrange(7):
            case 0:
                del at[key]
            case 1 if isinstance(at, dict):
                at[rng.choice(("", "x", key + "s", "a\nb", "networks", "z" * 500))] = at.pop(key)
            case 2:
                other, name = rng.choice(found)
                at[key], other[name] = copy.deepcopy(other[name]), copy.deepcopy(at[key])
            case 3:
                for _ in range(rng.choice((1, 3, 200))):
                    at[key] = [at[key]] if rng.random() < 0.5 else {"a": at[key]}
            case 4 if type(at[key]) in (int, float):
                at[key] += rng.choice((1, -1, at[key], 1e-16, 1e300))
            case 5 if isinstance(at[key], str) and at[key]:
                where = rng.randrange(len(at[key]))
                at[key] = at[key][:where] + rng.choice("0123456789abcdefx-+/=é\x00") + at[key][where + rng.randrange(2) :]
            case _:
                at[key] = rng.choice(_ODD)
    return tree


def sealed(tree) -> bytes:
    """An edited document with the sha256 that fits it, where it can have one."""
    try:
        tree["state"].pop("sha256", None)
        tree["state"]["sha256"] = result_file._sha256(tree)
    except (KeyError, TypeError, AttributeError, ValueError):
        pass
    return json.dumps(tree).encode()


def _forged_neurons(layer: Accumulators, rng: random.Random) -> dict:
    """A change of what a single layer has."""
    name = rng.choice(list(layer.sums))
    count = rng.choice(list(layer.counts))
    sums = {
        name: rng.choice(
            (0, 1, -1, -layer.sums[name], (layer.sums[name] << rng.randrange(900)) % 2**2238, 1 << rng.randrange(2200))
        )
    }
    counts = {count: rng.choice((0, 1, 2999, 3000, 3001, 2**62))}
    bins = np.roll(layer.bins, rng.choice((1, 0x4000, 0x8000))) if rng.random() < 0.5 else layer.bins * rng.randrange(3)
    return rng.choice(
        (
            {"sums": layer.sums | sums},
            {"sums": dict.fromkeys(layer.sums, rng.choice((0, 1, 1 << 1074)))},
            {"counts": layer.counts | counts},
            {"bins": bins},
            {"lanes": layer.lanes * rng.choice((0, -1, 2, 10**6))},
            {"tails": tuple(rng.randrange(5000) for _ in layer.tails)},
            {"smallest": float(np.float32(rng.choice((0.0, -1e-45, -1e30, 5.0, float("inf")))))},
            {"largest": float(np.float32(rng.choice((0.0, 1e-45, 1e30, -5.0, float("-inf")))))},
            {"networks": rng.choice((1, 2999, 3001, 2**58))},
        )
    )


def _forged_networks(layer: LayerSummary, rng: random.Random) -> dict:
    """A change of what a layer of networks has."""
    name, count, variable = (rng.choice(list(names)) for names in (layer.sums, layer.counts, layer.bins))
    value = rng.choice((0, 1, -1, -layer.sums[name], (layer.sums[name] << rng.randrange(900)) % 2**2238, 1 << rng.randrange(2200)))
    bins = layer.bins[variable]
    bins = rng.choice(
        (
            Bins(bins.index[::-1], bins.neurons, bins.squares),
            Bins(bins.index, bins.neurons * rng.choice((0, 2, -1)), bins.squares),
            Bins(bins.index, bins.neurons[::-1], bins.squares[::-1]),
            Bins(bins.index, bins.neurons, bins.squares * rng.choice((0, 2, 2**40))),
            Bins(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64)),
        )
    )
    return rng.choice(
        (
            {"sums": layer.sums | {name: value}},
            {"sums": dict.fromkeys(layer.sums, rng.choice((0, 1, 1 << 1074)))},
            {"counts": layer.counts | {count: rng.choice((0, 1, 2999, 3000, 3001, 2**62))}},
            {"bins": layer.bins | {variable: bins}},
            {"width": layer.width + rng.choice((-1, 1, 10**6))},
            {"networks": rng.choice((1, 2999, 3001, 2**58))},
        )
    )


def forged(which: int, rng: random.Random) -> bytes:
    """A document whose accumulators were changed before it was written."""
    report = originals()[which]
    label = rng.choice(list(report.results))
    result = report.results[label]
    number = rng.choice(list(result.layers))
    layer = result.layers[number]
    change = _forged_neurons(layer, rng) if isinstance(layer, Accumulators) else _forged_networks(layer, rng)
    networks = change.get("networks", result.networks)
    results = report.results | {
        label: dataclasses.replace(result, networks=networks, layers=result.layers | {number: dataclasses.replace(layer, **change)})
    }
    for other in results:
        results[other] = dataclasses.replace(results[other], networks=networks)
    tree = dataclasses.replace(report, results=results, verdicts=[]).to_dict() | {"state": write_state(report.study, results)}
    return sealed(tree)


def made_up(rng: random.Random):
    """Any JSON, with keys that a document has."""
    names = ("state", "fanin", "study", "alpha", "tolerance_factor", "provenance", "sha256", "format", "results", "layers", "1")

    def value(depth):
        if depth == 0 or rng.random() < 0.4:
            return rng.choice(_ODD)
        if rng.random() < 0.6:
            return {rng.choice(names): value(depth - 1) for _ in range(rng.randrange(6))}
        return [value(depth - 1) for _ in range(rng.randrange(4))]

    if rng.random() < 0.2:
        return value(2)
    return {name: value(3) for name in rng.sample(names, rng.randrange(len(names)))}


def mutant(number: int, suffix: str) -> tuple[str, int, bytes]:
    """Kind, original and bytes of one file."""
    rng = random.Random(number)
    which = rng.randrange(len(originals()))
    kind = rng.choice(("raw", "raw", "sealed", "sealed", "forged"))
    if suffix == ".nc" and rng.random() < 0.8:  # the container
        data = netcdf(which)
        if kind == "raw":
            return "raw", which, damaged(data, rng)
        return "sealed", which, netcdf_form.seal(damaged(data[: -netcdf_form._SEAL_SIZE], rng))
    if kind == "raw":
        choice = rng.randrange(10)
        if choice == 0:
            data = json.dumps(json.loads(document(which)), indent=rng.choice((None, 0, 3))).encode()  # says the same
        elif choice == 1:
            data = json.dumps(made_up(rng)).encode()
        elif choice == 2:
            data = rng.randbytes(rng.choice((0, 1, 100)))
        elif choice < 6:
            data = json.dumps(edited(document(which), rng)).encode()
        else:
            data = damaged(document(which), rng)
    elif kind == "sealed":
        data = sealed(edited(document(which), rng) if rng.random() < 0.9 else made_up(rng))
    else:
        data = forged(which, rng)
    return kind, which, netcdf_form.pack(data, {}) if suffix == ".nc" else data


def _measure(saved: result_file.Saved) -> None:
    """Every quantity by itself, which is faster than a report; what was not recorded is refused."""
    for result in saved.results.values():
        for number, layer in result.layers.items():
            for name in QUANTITIES if isinstance(layer, Accumulators) else NETWORK_QUANTITIES:
                with contextlib.suppress(SpecificationError):
                    if isinstance(layer, Accumulators):
                        measure(name, layer, result.ensemble, 1e-4)
                    else:
                        measure_network(name, layer, result.ensemble, number, 1e-4)


def check(number: int, path: Path) -> str:
    """Read one file; what became of it. Raises AssertionError, or whatever reading it raised, where it is not as it should be."""
    kind, which, data = mutant(number, path.suffix)
    path.write_bytes(data)
    start = time.perf_counter()
    try:
        saved = result_file.read(path)
        if kind != "raw":
            _measure(saved)
            if number % JUDGED == 0:
                assert result_file.load_report(path).verdicts
    except SpecificationError as error:
        text = str(error)
        if len(text.splitlines()) != 1 or len(text) > 1000:
            raise AssertionError(f"not one sentence: {text!r}") from None
        return f"{kind} refused"
    assert time.perf_counter() - start < _SLOWEST
    if kind == "raw":
        assert _content(saved) == content(which), "a changed file was accepted"
    elif kind == "sealed":
        digests = {result.digest for result in originals()[which].results.values()}
        assert {result.digest for result in saved.results.values()} <= digests, "changed results were accepted"
    return f"{kind} accepted"


def run(numbers: range, suffix: str) -> collections.Counter[str]:
    """Check files; an error names the number of the file."""
    found: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            try:
                found[check(number, Path(folder) / f"a{suffix}")] += 1
            except BaseException as error:
                raise AssertionError(f"file {number}{suffix}: {type(error).__name__}: {error}") from error
    return found


def run_apart(numbers: range, suffix: str) -> collections.Counter[str]:
    """The same in a process of its own with 2 GiB of memory beyond what it starts with."""
    command = [sys.executable, "-m", "tests.campaigns.fuzz_results", str(numbers.start), str(numbers.stop), suffix]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"NUMBA_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"files {numbers.start} to {numbers.stop} of {suffix}: exit code {done.returncode}\n{done.stderr}")
    return collections.Counter(json.loads(done.stdout))


def fuzz_results(count: int = 100_000) -> str:
    """Damaged, edited and forged result files of both formats."""
    found: collections.Counter[str] = collections.Counter()
    for suffix in (".json", ".nc"):
        half = count // 2
        for start in range(0, half, CHUNK):
            for key, number in run_apart(range(start, min(start + CHUNK, half)), suffix).items():
                found[f"{suffix} {key}"] += number
    return f"{sum(found.values()):,} result files: " + ", ".join(f"{key} {found[key]:,}" for key in sorted(found))


def _main() -> None:
    start, stop, suffix = sys.argv[1:]
    originals()
    used = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        if Path("/proc/self/statm").exists()
        else 2**33
    )
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, resource.RLIM_INFINITY))
    print(json.dumps(run(range(int(start), int(stop)), suffix)))


if __name__ == "__main__":
    _main()
