"""How often every type of interval misses the truth, as tables: `enclosed` at every size, `studentised` as networks become many.

SystemExit where a promise is broken: an exact or bounded interval whose miss rate is above the error; an asymptotic one whose rate,
from its floor on, is above 1.5 times the error at a fixed size, or above the error where it is watched from the floor on. A rate is
above where its lower limit (Clopper and Pearson, 99.9 %) is.
"""

from __future__ import annotations

import functools
import math

from fanin.stats.intervals import ASYMPTOTIC_FLOOR
from tests.campaigns import enclosed, pairs, pooled, studentised
from tests.campaigns.enclosed import lower_limit
from tests.campaigns.studentised import ERRORS, Misses, asymptotic

SLACK = 1.5
"""By what factor the miss rate of an asymptotic interval of a fixed size may exceed the error."""

_SINGLE_NEURON = {"skewness": 6.0, "kurtosis": 24.0}
Cases = tuple[enclosed.Case, ...]


@functools.cache
def floor(kind: str, law: str) -> int:
    """The number of observations from which on a kind is used.

    For pooled quantities of networks 1,000 networks; for their skewness and kurtosis as many more as have the standard error of
    that many independent Gaussian neurons (`clusters.clustered`), which 100,000 networks say.
    """
    family, _, moment = kind.partition(".")
    if family not in ("network", "meansquare", "lognorm"):
        return ASYMPTOTIC_FLOOR[moment if family == "z" else family]
    least = ASYMPTOTIC_FLOOR["mean"]
    if moment not in _SINGLE_NEURON:
        return least
    (found,) = (one for one in pooled.LAWS if one.name == law)
    n = 100_000
    spread = studentised.error_of(kind, n, pooled.draws(found, n, (501,))) ** 2 * n
    return max(least, math.ceil(ASYMPTOTIC_FLOOR[moment] * min(spread / _SINGLE_NEURON[moment], 1.0)))


def coverage(runs: int = 100_000, campaigns: int = 100_000, seed: int = 501) -> str:
    """All tables, in Markdown."""
    said, broken = [], []
    exact = enclosed_table(runs, seed), watched_table(runs, seed), pairs_table(campaigns, seed)
    for table, wrong in (*exact, asymptotic_table(campaigns, seed)):
        said.append(table)
        broken += wrong
    if broken:
        raise SystemExit("coverage: " + "; ".join(broken) + "\n\n" + "\n\n".join(said))
    return "every promise kept\n\n" + "\n\n".join(said)


def _row(name: str, trials: int, counts: list[int]) -> tuple[str, list[str]]:
    rates = " | ".join(f"{count / trials:.2g}" for count in counts)
    broken = [
        f"{name} at {error:g}: {count} of {trials:,}"
        for count, error in zip(counts, enclosed.ERRORS, strict=True)
        if lower_limit(count, trials) > error
    ]
    return f"| {name} | {trials:,} | {rates} |", broken


def enclosed_table(runs: int, seed: int = 501, cases: Cases = enclosed.CASES, factor: float = 1.0) -> tuple[str, list[str]]:
    """Intervals of a fixed size that hold at every size, and which of them break their promise. factor : a planted fault."""
    rows, broken = ["| fixed size | runs | 0.05 | 0.01 | 0.001 |", "|---|---|---|---|---|"], []
    for case in cases:
        row, wrong = _row(case.name, *enclosed.misses(case, runs, seed, factor))
        rows.append(row)
        broken += wrong
    return "\n".join(rows), broken


def watched_table(campaigns: int, seed: int = 501) -> tuple[str, list[str]]:
    """What is watched without an e-process of its own in `sequences`."""
    found = {f"RankQuantile {p:g}": enclosed.watched_ranks(campaigns, p, seed) for p in (0.5, 0.95, 0.999)}
    found |= {f"ClusterQuantile {p:g}": enclosed.watched_shares(campaigns, p, seed) for p in (0.5, 0.95)}
    few = max(campaigns // 5, 1)
    rows, broken = ["| watched, 240 looks | campaigns | 0.05 | 0.01 | 0.001 |", "|---|---|---|---|---|"], []
    for name, counts in found.items():
        row, wrong = _row(name, campaigns, counts)
        rows.append(row)
        broken += wrong
    row, wrong = _row("Distance, law", few, enclosed.watched_law(few, seed))
    return "\n".join([*rows, row]), broken + wrong


def pairs_table(campaigns: int, seed: int = 501, factor: float = 1.0) -> tuple[str, list[str]]:
    """Differences of two runs that are watched together. factor : a planted fault, of the observations."""
    heads = ("watched, 240 looks", "campaigns", "pair excluded: 0.05", "0.01", "0.001", "difference missed: 0.05", "0.01", "0.001")
    rows, broken = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"], []
    for pair in pairs.PAIRS:
        found = pairs.watched_pairs(campaigns, *pair, seed, factor)
        row, wrong = _row(pairs.name_of(*pair), campaigns, [*found.pairs])
        rows.append(row + "".join(f" {count / campaigns:.2g} |" for count in found.missed))
        broken += wrong
    return "\n".join(rows), broken


def asymptotic_table(campaigns: int, seed: int = 501, laws: tuple[pooled.Law, ...] = pooled.LAWS) -> tuple[str, list[str]]:
    """Every kind of every law."""
    return table_of([one for law in laws for one in asymptotic(law, campaigns, seed)])


def table_of(found: list[Misses]) -> tuple[str, list[str]]:
    """Rows of asymptotic kinds, and which of them break their promise."""
    heads = (
        "kind, law",
        "floor",
        "fixed, largest rate from the floor on, over the error: 0.05, 0.01, 0.001",
        "1.5 times kept from",
        "watched from the floor on: 0.05, 0.001, 0.0001",
        "from any size on",
        "half of the runs speak from",
    )
    rows, broken = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"], []
    for one in found:
        least = floor(one.kind, one.law)
        start = next(at for at, n in enumerate(one.sizes) if n >= least)
        rates = one.fixed[start:].max(axis=0) / one.campaigns
        kept = [one.from_size(one.fixed, error, SLACK * error, pooled.PER_DOUBLING) for error in ERRORS[:3]]
        watched, ever = (one.watched[at] / one.campaigns for at in (start, 0))
        speak = next((n for n, silent in zip(one.sizes, one.silent, strict=True) if silent <= one.campaigns / 2), None)
        cells = (
            f"{one.kind}, {one.law}",
            f"{least:,}",
            ", ".join(f"{rate / error:.2f}" for rate, error in zip(rates[:3], ERRORS, strict=False)),
            ", ".join("-" if n is None else f"{n:,}" for n in kept),
            ", ".join(f"{watched[at]:.2g}" for at in (0, 2, 3)),
            ", ".join(f"{ever[at]:.2g}" for at in (0, 2, 3)),
            "never" if speak is None else f"{speak:,}",
        )
        rows.append("| " + " | ".join(cells) + " |")
        for at, error in enumerate(ERRORS):
            worst = int(one.fixed[start:, at].max())
            if lower_limit(worst, one.campaigns, 1.0 - 1e-6) > SLACK * error:
                broken.append(f"{one.kind} of {one.law}, fixed at {error:g}: {worst} of {one.campaigns:,}")
            if lower_limit(int(one.watched[start, at]), one.campaigns) > error:
                broken.append(f"{one.kind} of {one.law}, watched at {error:g}: {one.watched[start, at]} of {one.campaigns:,}")
    return "\n".join(rows), broken
