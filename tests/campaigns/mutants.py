"""Mutation testing of the statistics and of the engine's accumulators: does a test fail when a line is changed?

The mutants are those of `mutation`, a seeded sample in each module; the tests are those that reach the changed function
(`mutant_runner`). A mutant is killed when one of them fails, or when it runs out of time or memory.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns import mutant_runner
from tests.campaigns.mutation import Mutant, mutant, places, require_cosmic_ray

_FACE = ("plan", "watching", "compare", "diagnosis", "theory_command", "network_table", "small_changes", "library", "result_file")
TESTS = (
    *("tests/stats", "fanin/stats"),
    *(f"tests/engine/test_{name}.py" for name in ("accumulators", "direct")),
    *(f"tests/fanin/test_{name}.py" for name in _FACE),
)
"""What runs once on the program as it is, to learn which tests reach what."""

FILES = ("stats/", "engine/accumulators.py", "engine/layer_summary.py")
PLAIN_TESTS, PLAIN_FILES = ("tests/engine/test_exact.py", "tests/engine/test_accumulators.py"), ("engine/exact.py",)
"""Kernels run as plain Python, with tests that need nothing compiled."""

MANY = (
    *("accumulators", "layer_summary", "exact", "binned", "clusters", "e_processes", "evidence", "evidence_kinds", "intervals"),
    *("network_bins", "network_quantities", "planning", "quantities", "sequences", "two_sample", "verdict"),
)
"""Modules that decide, or that everything rests on: of these `many` mutants are tried, of the others `few`."""

SEED = 6
TARGET = 0.9


@dataclass(frozen=True)
class Tried:
    """What became of the mutants of one module. places : as many as its source has, with those left out for where they stand."""

    file: str
    places: int
    killed: int
    survivors: tuple[Mutant, ...]

    @property
    def tried(self) -> int:
        """Mutants that were run."""
        return self.killed + len(self.survivors)


def sample(file: str, count: int, seed: int = SEED) -> Iterator[Mutant]:
    """So many different mutants of a file, or all of them, in an order that the seed and the source decide."""
    source = Path(file).read_text()
    found = places(source)
    random.Random(f"{seed} {file}").shuffle(found)
    for place in found:
        if count == 0:
            return
        made = mutant(source, place)
        if made is not None:
            count -= 1
            yield made


def attempt(file: str, count: int, reach: mutant_runner.Reach, plain: bool = False) -> Tried:
    """Try so many mutants of a file; SystemExit where the module itself, served as a mutant is, does not pass."""
    survivors, killed = [], 0
    for one in sample(file, count):
        if mutant_runner.killed(file, one, reach, plain):
            killed += 1
        else:
            survivors.append(one)
    source = Path(file).read_text()
    tests = reach.of(file, 0, mutant_runner.importers(file))
    if killed and not mutant_runner.survives(file, source, tests, reach.seconds, plain):
        raise SystemExit(f"the tests of {file} fail on the program as it is")
    return Tried(file, len(places(source)), killed, tuple(survivors))


def row(one: Tried) -> str:
    """A line of the table; the interval is Clopper and Pearson's, at 95 %."""
    from scipy import special

    n, k = one.tried, one.killed
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, 0.025))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 0.975))
    shares = f"{100 * k / n:.0f} % | {100 * low:.0f} to {100 * high:.0f} %"
    return f"| {one.file} | {one.places} | {n} | {k} | {len(one.survivors)} | {shares} |"


def mutants(many: int = 60, few: int = 20) -> str:
    """The table, and the survivors; SystemExit where fewer than nine in ten are killed over all."""
    require_cosmic_ray()
    mutant_runner.preload()
    reach = mutant_runner.record(list(TESTS), FILES)
    plain = mutant_runner.record(list(PLAIN_TESTS), PLAIN_FILES, plain=True)
    if failed := sorted(reach.failed | plain.failed):
        raise SystemExit(f"these tests fail on the program as it is: {', '.join(failed)}")
    found = []
    for file in [*sorted(str(path) for path in Path("stats").glob("*.py")), *FILES[1:], *PLAIN_FILES]:
        is_plain = file in PLAIN_FILES
        one = attempt(file, many if Path(file).stem in MANY else few, plain if is_plain else reach, is_plain)
        if one.tried:
            found.append(one)
            print(row(one), file=sys.stderr, flush=True)
    whole = Tried(
        "all", sum(one.places for one in found), sum(one.killed for one in found), sum((one.survivors for one in found), ())
    )
    heads = ("module", "mutants", "tried", "killed", "survived", "share killed", "interval")
    table = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *map(row, [*found, whole])]
    left = [
        f"{one.file}:{survivor.line} {survivor.operator}\n    {survivor.before}\n    {survivor.after}"
        for one in found
        for survivor in one.survivors
    ]
    said = "\n".join([*table, "", "survivors", *left])
    if whole.killed < TARGET * whole.tried:
        raise SystemExit(f"{whole.killed} of {whole.tried} mutants killed\n\n{said}")
    return f"{whole.killed} of {whole.tried} mutants killed\n\n{said}"
