"""`compare`: every quantity of one run against the same quantity of another, without a claim about either.

Guarantee: one simultaneous interval for each difference (or ratio less 1, of scales) decides by the rule of `stats.verdict`: the
two are "equal" where it lies wholly within the tolerance, "different" where it lies wholly outside, else "undecided". One error
rate holds for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import fanin
from fanin.compared_quantities import Unit, compared_names, evidence_of, unit_of
from fanin.comparison_sides import Pairing, Side, apart, pair, sampled, side_of
from fanin.engine.errors import SpecificationError
from fanin.engine.stream import MAX_NETWORKS
from fanin.provenance import provenance
from fanin.report import AS_EXPECTED, NOT_AS_EXPECTED, NOT_DECIDED, or_null
from fanin.result import Result
from fanin.stats.evidence import Evidence
from fanin.stats.two_sample import compared, is_scale
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Claim, Verdict, judge
from fanin.verification import ALPHA, check_alpha, check_factor

EQUAL, DIFFERENT = "equal", "different"
WORDS = {CONFIRMED: EQUAL, REFUTED: DIFFERENT, UNDECIDED: UNDECIDED}


@dataclass(frozen=True, eq=False)
class Compared:
    """One quantity of one layer on both sides.

    pair : label of the ensembles. a, b : estimates. effect : a - b in standard deviations of one network, which of means over
    networks is Cohen's d (1988, Statistical Power Analysis, ch. 2) with the mean of both variances; NaN where it is not known.
    scale : whether the difference is a / b - 1. judged : what the difference is judged by.
    """

    pair: str
    layer: int
    quantity: str
    a: float
    b: float
    effect: float
    scale: bool
    judged: Verdict

    @property
    def verdict(self) -> str:
        """Equal, different or undecided."""
        return WORDS[self.judged.verdict]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two runs say of each other.

    a, b : the sides, sampled. pairs : ensembles that are compared. found : one for each quantity of each layer. coarse : of these
    those left out of the verdicts, as their bins are wider than the tolerance and the runs do not differ beyond them. notes : what
    a reader must know of the sides. alpha : probability that any verdict is wrong, at most. tolerance : the factor on the tolerance
    of every difference. Printed, it is the table of the command line.
    """

    a: Side
    b: Side
    pairs: list[Pairing]
    found: list[Compared]
    coarse: list[Compared]
    notes: list[str]
    alpha: float
    tolerance: float

    @property
    def watched(self) -> bool:
        """Whether a side was stopped by what it showed, so that intervals hold at all sizes at once."""
        return self.a.watched or self.b.watched

    @property
    def exit_code(self) -> int:
        """0: all equal. 1: something is different. 3: nothing is, and something is undecided."""
        words = {one.verdict for one in self.found}
        if DIFFERENT in words:
            return NOT_AS_EXPECTED
        return NOT_DECIDED if UNDECIDED in words else AS_EXPECTED

    @property
    def seconds(self) -> float:
        """Wall time of sampling and merging, both sides together."""
        return sum(result.seconds for side in (self.a, self.b) for result in side.results.values())

    def to_dict(self) -> dict[str, Any]:
        """In plain values, as `fanin compare --json` prints it: None where a number is not finite."""
        sides = {"a": self.a, "b": self.b}
        return {
            "fanin": fanin.__version__,
            "a": self.a.name,
            "b": self.b.name,
            "alpha": float(self.alpha),
            "tolerance_factor": float(self.tolerance),
            "watched": self.watched,
            "networks": {letter: side.networks for letter, side in sides.items()},
            "seeds": {letter: side.seed for letter, side in sides.items()},
            "methods": {letter: side.methods for letter, side in sides.items()},
            "seconds": self.seconds,
            "digests": {letter: {label: result.digest for label, result in side.results.items()} for letter, side in sides.items()},
            "notes": self.notes,
            "comparisons": [_plain(one) for one in self.found],
            "left_out": [{"pair": one.pair, "layer": one.layer, "quantity": one.quantity} for one in self.coarse],
            "provenance": {letter: _origin(side) for letter, side in sides.items()},
        }

    def __repr__(self) -> str:
        from fanin.comparison_table import plain_text

        return plain_text(self)


def compare(
    a: Any,
    b: Any,
    *,
    networks: int | float | None = None,
    seed: int = 501,
    method: str | None = None,
    threads: int | None = None,
    executor: futures.Executor | None = None,
    alpha: float = ALPHA,
    tolerance: float = 1.0,
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Compare two runs, studies or schemes, quantity by quantity.

    Parameters
    ----------
    a, b : Result, Report, Study, Ensemble or str
        What is there already is not sampled again. A text is the path of a .json or .nc result, the name of a built-in study, the
        path of a TOML file, or a scheme such as "he_normal" or "normal:2/fan_in", with one neuron of 1000 inputs.
    networks : int, optional
        Networks per ensemble of what is sampled; by default what each study says.
    seed : int
        Of what is sampled. Where A and B would draw the same numbers, one of them is sampled from the next seed, and says so.
    method, threads, executor, progress
        As for `verify`, for what is sampled.
    alpha : float
        Probability that any verdict is wrong, at most.
    tolerance : float
        Factor on every tolerance. By default variances of single neurons are equal within 0.5 %, of networks within 2 %; the
        tolerance of each quantity stands in `to_dict()`.

    Raises
    ------
    SpecificationError
        For what cannot be sampled or compared, such as two results that drew the same numbers.

    Examples
    --------
    >>> found = compare("he_normal", "lecun_normal", networks=2**16)
    >>> found.exit_code, next(one.verdict for one in found.found if one.quantity == "z.variance")
    (1, 'different')
    """
    return compare_sides(
        side_of(a, "A", None, networks, seed, method),
        side_of(b, "B", None, networks, seed, method),
        threads=threads,
        executor=executor,
        alpha=alpha,
        tolerance=tolerance,
        progress=progress,
    )


def compare_sides(
    a: Side,
    b: Side,
    *,
    threads: int | None = None,
    executor: futures.Executor | None = None,
    alpha: float = ALPHA,
    tolerance: float = 1.0,
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Compare what was found already (`comparison_sides.side_of`). The arguments are those of `compare`."""
    check_alpha(alpha)
    check_factor(tolerance)
    pairs, notes = pair(a, b)
    first, second = apart(a, b, pairs)
    if (first.seed, second.seed) != (a.seed, b.seed):
        notes.append(f"A is sampled with seed {first.seed} and B with seed {second.seed}, so that they draw different numbers")
    names = {one.label: _names(one, first, second) for one in pairs}
    count = sum(map(len, names.values()))
    first = sampled(first, [one.a for one in pairs], threads, executor, progress)
    second = sampled(second, [one.b for one in pairs], threads, executor, progress)
    watched = first.watched or second.watched
    found = []
    for one in pairs:
        results = first.results[one.a], second.results[one.b]
        units = {layer: unit_of(results, layer) for layer in one.layers}
        for layer, name in names[one.label]:
            found.append(_compared(one.label, layer, name, results, units[layer], alpha / count, tolerance, watched))
    coarse = [one for one in found if _is_coarse(one)]
    judged = [one for one in found if one not in coarse]
    return Comparison(first, second, pairs, judged, coarse, notes, alpha, tolerance)


def _names(one: Pairing, a: Side, b: Side) -> list[tuple[int, str]]:
    """Layers and quantities of a pair."""
    first, second = ((side.study.ensembles[label], side.methods[label]) for side, label in ((a, one.a), (b, one.b)))
    names = [(layer, name) for layer in one.layers for name in compared_names(first, second, layer)]
    if not names:
        raise SpecificationError(f"{one.label}: A and B record no quantity in common")
    return names


def _compared(
    label: str,
    layer: int,
    name: str,
    results: tuple[Result, Result],
    unit: Unit,
    error: float,
    factor: float,
    watched: bool,
) -> Compared:
    one, other = (evidence_of(name, result, layer) for result in results)
    scale = is_scale(name)
    claim = Claim(
        id=f"{label}/{layer}/{name}",
        ensemble="A",
        layer=layer,
        quantity=name,
        predicted=0.0,
        tolerance=unit.tolerance(name) * factor,
        source="two samples",
        against="B",
    )
    found = compared(one, other, scale=scale, independent=not watched)
    networks = min(result.networks for result in results)
    effect = _effect((one, other), results)
    return Compared(label, layer, name, one.estimate, other.estimate, effect, scale, judge(claim, found, networks, error, watched))


def _effect(sides: tuple[Evidence, Evidence], results: tuple[Result, Result]) -> float:
    """The difference in standard deviations of one network: those whose mean over the networks has the standard errors seen."""
    sizes = [side.standard_error * math.sqrt(result.networks) for side, result in zip(sides, results, strict=True)]
    spread = math.hypot(*sizes) / math.sqrt(2.0)
    distance = sides[0].estimate - sides[1].estimate
    if distance == 0.0:
        return 0.0
    return distance / spread if 0.0 < spread < math.inf else math.nan


def _is_coarse(one: Compared) -> bool:
    """Whether not even the largest run would call the two equal, as the bins of a quantile are wider than the tolerance."""
    if one.verdict != UNDECIDED or not ("quantile" in one.quantity or "median" in one.quantity):
        return False
    judged = one.judged
    most = judged.evidence.grown(MAX_NETWORKS / judged.networks).interval(judged.error, judged.watched)
    return 2.0 * judged.claim.tolerance < most.high - most.low < math.inf


def _plain(one: Compared) -> dict[str, Any]:
    judged, interval = one.judged, one.judged.interval
    return {
        "pair": one.pair,
        "layer": one.layer,
        "quantity": one.quantity,
        "a": or_null(one.a),
        "b": or_null(one.b),
        "scale": one.scale,
        "difference": or_null(interval.estimate),
        "low": or_null(interval.low),
        "high": or_null(interval.high),
        "coverage": interval.coverage,
        "effect": or_null(one.effect),
        "tolerance": judged.claim.tolerance,
        "verdict": one.verdict,
        "p_value": judged.p_value,
        "needed": judged.networks_needed,
    }


def _origin(side: Side) -> dict[str, Any]:
    first = next(iter(side.results.values()))
    return provenance(first.threads) if first.origin is None else first.origin
