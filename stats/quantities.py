"""Quantities by name: what each estimates from the accumulators of a layer, and the evidence that decides about it.

A name is a base and, where it needs one, an argument in brackets: `z.variance`, `z.tail[5]`, `z.quantile[0.95]`.
Sums are exact, so central moments are formed in exact fractions and rounded once.

Standard errors come from influence functions (van der Vaart 1998, ch. 20) of per-network observations. Where the claimed law of z
is Gaussian with mean 0, a watched run judges its variance by a sequence that is exact (`evidence_kinds.GaussianVariance`).
"""

from __future__ import annotations

import difflib
import math
import re
from fractions import Fraction

import numpy as np

from fanin.engine.accumulators import FLAT, PARAMETER_LIMIT, PARTS, RELATIONS, Accumulators
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.engine.stream import BLOCK
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.binned import law_distance, quantile
from fanin.stats.evidence import Evidence, Unknown
from fanin.stats.evidence_kinds import BoundedMean, Distance, GaussianVariance, Proportion, Studentised
from fanin.stats.intervals import Interval
from fanin.stats.symmetric_law import SymmetricLaw

QUANTITIES = (
    "z.mean",
    "z.variance",
    *(f"z.variance.{part}" for part in PARTS),
    "z.skewness",
    "z.kurtosis",
    "z.law",
    "z.tail",
    "z.quantile",
    "phi.mean",
    "phi.variance",
    "phi.quantile",
    "phi.saturated",
    "slope.mean",
    "slope.variance",
    "slope.meansquare",
    "slope.median",
    "slope.quantile",
    "slope.below",
    "parameter.within",
    *(f"independence.{relation}{suffix}" for relation in RELATIONS for suffix in ("", ".squares")),
    "independence.blockmeans",
    "independence.lane.sign",
    "independence.lane.size",
)


OVER_LARGEST = 4.0
"""A sum over its largest term bounds from below how many make it up (Kish): 50 of it do where 200 are asked for (docs/trust.md)."""

_OF_GAUSSIAN = 3.0
"""Squares over the number of them that make up their sum, of Gaussian sums of a block: not fewer than there are blocks."""

_OF_EXTREMES = 0.75
"""Power of the number of Gaussian z with which their sum of eighth or lower powers grows, at least, over the largest of these."""


def split_name(name: str) -> tuple[str, float | None]:
    """Base and argument of a quantity's name.

    >>> split_name("z.tail[5]")
    ('z.tail', 5.0)
    """
    match = re.fullmatch(r"([a-z.]+)(?:\[([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\])?", name)
    if match is None or match[1] not in QUANTITIES:
        near = difflib.get_close_matches(name.partition("[")[0], QUANTITIES, n=1, cutoff=0.0)[0]
        raise SpecificationError(f"{name!r} is not a quantity; the nearest is {near} (known: {', '.join(QUANTITIES)})")
    return match[1], None if match[2] is None else float(match[2])


def check_recorded(name: str, ensemble: Ensemble) -> None:
    """Refuse a quantity that a run of this ensemble does not record, before it is sampled."""
    base, argument = split_name(name)
    fixed = {"slope.below": FLAT, "parameter.within": PARAMETER_LIMIT}
    if base in fixed:
        if argument != fixed[base]:
            raise SpecificationError(f"{name} is not recorded; {base}[{fixed[base]:g}] is")
    elif base.endswith(".quantile"):
        if argument is None or not 0.0 < argument < 1.0:
            raise SpecificationError(f"{name} needs a probability between 0 and 1, such as {base}[0.95]")
    elif base == "z.tail":
        _tail_index(ensemble, argument)
    elif argument is not None:
        raise SpecificationError(f"{name} takes no argument; write {base}")
    if base == "parameter.within":
        drawn_parameters(ensemble)
    if base.startswith("independence.neurons") and ensemble.neurons < 2:
        raise SpecificationError(f"{name} needs a layer of at least two neurons; widths are {ensemble.widths}")
    if base.startswith("independence.lane.size") and not ensemble.tails:
        raise SpecificationError(f"{name} needs a threshold of |z|, and the ensemble's tails are empty")
    if base.startswith("z.variance.") and (ensemble.inputs.shared or not ensemble.inputs.is_random):
        raise SpecificationError(f"{name} needs inputs that differ between networks; they are {ensemble.inputs}")


def central_moments(layer: Accumulators, variable: str, orders: int) -> list[float]:
    """Central moments of orders 0, 1 (the mean itself), 2, ... of a recorded variable, each rounded once."""
    n = layer.finite
    raw = [Fraction(1)] + [layer.sum(f"{variable}^{k}") / n for k in range(1, orders + 1)]
    mean = raw[1]
    central = [
        sum(math.comb(k, j) * raw[j] * (-mean) ** (k - j) for j in range(k + 1)) if k > 1 else (raw[1] if k else raw[0])
        for k in range(orders + 1)
    ]
    return [float(value) for value in central]


def evidence(name: str, layer: Accumulators, ensemble: Ensemble, law: SymmetricLaw | None = None) -> Evidence:
    """What a run says of a quantity.

    layer : what was recorded. law : the predicted law of z, for `z.law`. Where a network is not finite, and enters no sum, nothing
    is known.
    """
    if layer.finite == 0:
        return Unknown()
    found = _evidence(name, layer, ensemble, law)
    return Unknown(found.estimate, lost=True) if layer.counts["nonfinite"] else found


def measure(name: str, layer: Accumulators, ensemble: Ensemble, error: float, law: SymmetricLaw | None = None) -> Interval:
    """Estimate and interval of a quantity in a run of fixed size. error : the probability with which the interval may miss."""
    return evidence(name, layer, ensemble, law).interval(error)


def _evidence(name: str, layer: Accumulators, ensemble: Ensemble, law: SymmetricLaw | None) -> Evidence:
    base, argument = split_name(name)
    n = layer.finite
    if base == "z.tail":
        return Proportion(layer.tails[_tail_index(ensemble, argument)], n)
    if base in ("phi.saturated", "slope.below"):
        return Proportion(layer.counts["saturated" if base == "phi.saturated" else "flat"], n)
    if base == "z.law":
        return law_distance(layer, law)
    if base.endswith("quantile") or base == "slope.median":
        return quantile(base, 0.5 if argument is None else argument, layer, ensemble)
    if base == "parameter.within":
        return _within(layer, ensemble)
    if base.startswith("independence.lane."):
        return _lane(base, layer)
    if base.startswith("independence."):
        return _independence(base, layer)
    if base.startswith("z.variance."):
        return _part(base.removeprefix("z.variance."), layer)
    if base.startswith("z."):
        return _moment(base, layer, ensemble)
    return _activation_moment(base, layer, ensemble)


def estimates(layer: Accumulators, ensemble: Ensemble) -> dict[str, float]:
    """Point estimates of everything recorded, by name."""
    names = [
        name
        for name in QUANTITIES
        if name not in ("z.law", "z.tail", "z.quantile", "phi.quantile", "slope.quantile", "slope.below")
    ]
    names = [name for name in names if name != "parameter.within" and not name.startswith("independence.lane.")]
    names += [f"z.tail[{t:g}]" for t in ensemble.tails] + ["slope.below[0.01]", "z.quantile[0.05]", "z.quantile[0.95]"]
    return {name: evidence(name, layer, ensemble).estimate for name in names}


def _tail_index(ensemble: Ensemble, threshold: float | None) -> int:
    if threshold not in ensemble.tails:
        kept = ", ".join(f"{t:g}" for t in ensemble.tails)
        raise SpecificationError(f"P(|z| > {threshold}) is not recorded; the ensemble's tails are {kept or 'none'}")
    return ensemble.tails.index(threshold)


def _moment(base: str, layer: Accumulators, ensemble: Ensemble) -> Evidence:
    n = layer.finite
    mean, m2, m3, m4, m5, m6, _, m8 = central_moments(layer, "z", 8)[1:]
    m2 = max(m2, 0.0)  # sums of blocks are rounded
    largest = max(layer.largest - mean, mean - layer.smallest)
    order, moment = (6, m6) if base == "z.skewness" else (8, m8)  # squares of which are not recorded: the largest bounds them
    effective = OVER_LARGEST * n * moment / largest**order if largest**order > 0.0 else 0.0
    if base == "z.mean":
        return Studentised("mean", mean, math.sqrt(m2 / n), n, _kish(n, m2, m4))
    if base == "z.variance":
        found = _variance(m2, m4, n, _kish(n, m4, m8))
        return GaussianVariance(found, n, float(layer.sum("z^2"))) if _is_gaussian(ensemble) else found
    sd = math.sqrt(m2)
    if sd**8 == 0.0:  # z is constant, or so small that its moments are not float64 numbers
        return Unknown()
    skew, kurt = m3 / sd**3, m4 / m2**2
    s5, s6, s8 = m5 / sd**5, m6 / sd**6, m8 / sd**8
    if base == "z.skewness":  # influence y**3 - skew - 3 y - (3/2) skew (y**2 - 1)
        a = 1.5 * skew
        variance = s6 - skew**2 + 9.0 + a**2 * (kurt - 1.0) - 6.0 * kurt - 2.0 * a * (s5 - skew) + 6.0 * a * skew
        return Studentised("skewness", skew, math.sqrt(max(variance, 0.0) / n), n, effective, power=_OF_EXTREMES)
    # influence y**4 - kurt - 4 skew y - 2 kurt (y**2 - 1)
    variance = s8 - kurt**2 + 16.0 * skew**2 + 4.0 * kurt**2 * (kurt - 1.0) - 8.0 * skew * s5
    variance += -4.0 * kurt * (s6 - kurt) + 16.0 * kurt * skew**2
    return Studentised("kurtosis", kurt, math.sqrt(max(variance, 0.0) / n), n, effective, power=_OF_EXTREMES)


def _variance(m2: float, m4: float, n: int, effective: float) -> Studentised:
    """From central moments of n networks."""
    return Studentised("variance", m2, math.sqrt(max(m4 - m2**2, 0.0) / n), n, effective, mean_error=math.sqrt(max(m2, 0.0) / n))


def _is_gaussian(ensemble: Ensemble) -> bool:
    """Whether z is Gaussian with mean 0 by its law: Gaussian parameters, and an input of known length."""
    laws = (ensemble.scheme.weights, ensemble.scheme.bias)
    normal = all(law is None or not law.gain or (law.family == "normal" and not law.zero) for law in laws)
    return normal and ensemble.inputs.kind in ("on", "subset", "fixed")


def _part(part: str, layer: Accumulators) -> Evidence:
    """A part of the variance of z, from pairs of networks whose weights and inputs were crossed: the pair is the observation."""
    pairs = layer.counts["crossed"]
    if pairs == 0:
        return Unknown()
    first, second = layer.sum(f"{part}^1") / pairs, layer.sum(f"{part}^2") / pairs
    spread = math.sqrt(max(float(second - first**2), 0.0) / pairs)
    return Studentised("mean", float(first), spread, pairs, _kish(pairs, float(first), float(second)))


def _activation_moment(base: str, layer: Accumulators, ensemble: Ensemble) -> Evidence:
    variable, _, what = base.partition(".")
    n, shape = layer.finite, ACTIVATIONS[ensemble.activation]
    least, most = (shape.low, shape.high) if variable == "phi" else (0.0, shape.steepest)
    if what == "variance":
        _, _, m2, _, m4 = central_moments(layer, variable, 4)
        return _variance(m2, m4, n, _kish(n, m2, m4))
    if what == "mean":
        _, mean, m2 = central_moments(layer, variable, 2)
        return BoundedMean(mean, m2, n, least, most)
    square, fourth = layer.sum(f"{variable}^2") / n, layer.sum(f"{variable}^4") / n
    return BoundedMean(float(square), float(fourth - square**2), n, 0.0, most**2)


def _kish(trials: int, mean: float, square: float) -> float:
    """How many of some non-negative numbers, given by mean and mean square, make up their sum (Kish 1965, Survey Sampling)."""
    return trials * mean**2 / square if square > 0.0 else 0.0


def _within(layer: Accumulators, ensemble: Ensemble) -> Evidence:
    """Share of a network's drawn parameters within the limit; the network is the observation."""
    drawn = drawn_parameters(ensemble)
    _, mean, m2 = central_moments(layer, "outside", 2)
    return BoundedMean(1.0 - mean / drawn, m2 / drawn**2, layer.finite)


def drawn_parameters(ensemble: Ensemble) -> int:
    """Parameters that the direct sampler draws for each network, where that number is the same for all."""
    inputs = ensemble.inputs
    if inputs.is_random:
        raise SpecificationError(f"the number of parameters drawn is not the same for all networks with inputs {inputs}")
    return (inputs.count if inputs.kind == "on" else int(np.count_nonzero(inputs.data))) + ensemble.has_bias


def _independence(base: str, layer: Accumulators) -> Evidence:
    """Correlation of z, or of z**2, over the pairs of a relation; for block means, their variance over the one predicted."""
    n = layer.finite
    m2, m4 = float(layer.sum("z^2") / n), float(layer.sum("z^4") / n)
    relation = base.split(".")[1]
    if relation == "blockmeans":
        blocks = layer.counts["blocks_whole"]
        if blocks == 0 or m2 == 0.0:
            return Studentised("blockmeans", math.nan, math.nan, 0)
        size = m2 * BLOCK
        first, second = float(layer.sum("blocksum^2") / blocks) / size, float(layer.sum("blocksum^4") / blocks) / size**2
        spread = math.sqrt(max(second - first**2, 0.0) / blocks)
        return Studentised("blockmeans", first, spread, blocks, _OF_GAUSSIAN * _kish(blocks, first, second))
    pairs = layer.counts[relation]
    if pairs == 0 or m2 == 0.0 or m4 <= m2**2:
        return Unknown()
    p1, p2, p4 = (float(layer.sum(f"{relation}^{k}") / pairs) for k in (1, 2, 4))
    if base.endswith("squares"):
        scale = m4 - m2**2
        spread = math.sqrt(max(p4 - p2**2, 0.0) / pairs) / scale
        # Eighth powers of products are not recorded: those of z stand in, with a factor that is 1 for independent Gaussian z.
        largest = max(abs(layer.largest), abs(layer.smallest)) ** 8
        effective = OVER_LARGEST * float(layer.sum("z^8")) / largest * min(1.0, 9.0 * p2**2 / p4) if largest and p4 else 0.0
        return Studentised("correlation", (p2 - m2**2) / scale, spread, pairs, effective, power=_OF_EXTREMES)
    return Studentised("correlation", p1 / m2, math.sqrt(max(p2 - p1**2, 0.0) / pairs) / m2, pairs, _kish(pairs, p2, p4))


def _lane(base: str, layer: Accumulators) -> Evidence:
    """Largest deviation of one lane of a block from the whole: of its mean sign of z, or its P(|z| > first threshold)."""
    blocks = -(-layer.networks // BLOCK)
    times = np.minimum(blocks, (layer.networks - np.arange(BLOCK) + BLOCK - 1) // BLOCK)
    used = times > 0
    row, span = (0, 2.0) if base.endswith("sign") else (1, 1.0)
    whole = layer.lanes[row].sum() / layer.finite
    largest = float(np.abs(layer.lanes[row][used] / times[used] - whole).max())
    return Distance(largest, largest, int(times[used].min()), span, BLOCK)
