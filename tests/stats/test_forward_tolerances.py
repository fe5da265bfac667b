"""The rule of tolerances, by hand: what is added to an exact tolerance, and from where on nothing is predicted."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.forward_theory import ASYMPTOTIC, EXACT, LIMIT, Number
from fanin.stats.network_prediction import BACKWARD, FORWARD, Place, Widest, logarithm, moment, ranked, share
from fanin.stats.network_theory import NetworkTheory

PLACE = Place("z.variance", 3, spread=0.01, shift=0.002, loss=0.0003)
SMALL = dataclasses.replace(PLACE, spread=0.003, shift=0.001)


def a_number(label, value=4.0):
    return Number(value, 1e-9, label, "" if label == EXACT else "1/n", "somebody")


def refusal(call):
    with pytest.raises(SpecificationError) as caught:
        call()
    return str(caught.value)


def test_what_is_judged_at_most():
    assert FORWARD == Widest(moment=0.1, share=0.02, rank=0.06, logarithm=0.1)
    assert BACKWARD == Widest(moment=0.25, share=0.02, rank=0.15, logarithm=0.25)
    assert PLACE.widest == FORWARD
    assert PLACE.neglected == pytest.approx(0.012)


@pytest.mark.parametrize(
    ("label", "tolerance"),
    [
        (EXACT, 0.05),
        (LIMIT, 0.05 + 3.0 * (2.0 * 0.012 + 0.0003)),
        (ASYMPTOTIC, 0.05 + 3.0 * (4.0 * 0.012**2 + 0.0003)),
    ],
)
def test_moments(label, tolerance):
    """SLACK (S + D) + P of a limit, SECOND (S + D)^2 + P of a leading order, both relative to the scale, whatever its sign."""
    for scale in (3.0, -3.0):
        found = moment(PLACE, a_number(label), 0.05, scale)
        assert found.tolerance == pytest.approx(tolerance, rel=1e-12, abs=0.0)
        assert (found.value, found.error, found.label, found.source) == (4.0, 1e-9, label, "somebody")
        assert found.next_term == ("" if label == EXACT else "1/n")


def test_moments_are_bounded_by_a_tenth_of_their_unit():
    added = 3.0 * (2.0 * 0.012 + 0.0003)
    assert moment(PLACE, a_number(LIMIT), 0.2999 - added, 3.0).tolerance == pytest.approx(0.2999)
    words = refusal(lambda: moment(PLACE, a_number(LIMIT), 0.3001 - added, 3.0))
    assert words == (
        "theory does not predict z.variance in layer 3: its limit needs wider or fewer layers, it would be known to 0.3 only, and "
        "is not judged beyond 0.3"
    )
    for unit in (5.0, -5.0):
        assert moment(PLACE, a_number(LIMIT), 0.4999 - added, 3.0, unit=unit).tolerance == pytest.approx(0.4999)
        assert "beyond 0.5" in refusal(lambda unit=unit: moment(PLACE, a_number(LIMIT), 0.5001 - added, 3.0, unit=unit))
    assert "beyond -0.3" not in refusal(lambda: moment(PLACE, a_number(LIMIT), 0.3001 - added, -3.0))
    back = dataclasses.replace(PLACE, widest=BACKWARD)
    assert moment(back, a_number(LIMIT), 0.7499 - added, 3.0).tolerance == pytest.approx(0.7499)
    assert "beyond 0.75" in refusal(lambda: moment(back, a_number(LIMIT), 0.7501 - added, 3.0))
    assert moment(PLACE, a_number(EXACT), 7.0, 3.0).tolerance == 7.0
    assert "nan" in refusal(lambda: moment(PLACE, a_number(LIMIT), math.nan, 3.0))


@pytest.mark.parametrize(
    ("label", "tolerance"),
    [(EXACT, 0.002), (LIMIT, 0.002 + 0.5 * 0.012 + 0.0003), (ASYMPTOTIC, 0.002 + 4.0 * 0.012**2 + 0.0003)],
)
def test_shares(label, tolerance):
    assert share(PLACE, a_number(label, 0.4)).tolerance == pytest.approx(tolerance, rel=1e-12, abs=0.0)


def test_shares_are_bounded():
    edge = 2.0 * (0.02 - 0.002 - 0.0003)  # S + D
    assert share(dataclasses.replace(PLACE, spread=edge - 0.00201), a_number(LIMIT, 0.4)).tolerance == pytest.approx(
        0.02, rel=1e-3, abs=0.0
    )
    wide = dataclasses.replace(PLACE, spread=edge - 0.00199)
    assert "known to 0.02 only, and is not judged beyond 0.02" in refusal(lambda: share(wide, a_number(LIMIT, 0.4)))


def quantile(rank):
    return float(special.ndtri(rank))


@pytest.mark.parametrize(("label", "margin"), [(EXACT, 0.03), (LIMIT, 0.03 + 0.001 / 2 + 0.003 / 4 + 0.0003)])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_quantiles(label, margin, p):
    """The margin is in rank; the tolerance is the nearer of the two quantiles that are the margin away."""
    found = ranked(SMALL, Number(0.0, 1e-6, label, "next", "somebody"), quantile, p, 0.004)
    nearer = min(quantile(p + margin) - quantile(p), quantile(p) - quantile(p - margin))
    assert found.value == quantile(p)
    assert found.tolerance == pytest.approx(nearer, rel=1e-12, abs=0.0)
    assert found.error == pytest.approx(1e-6 * abs(quantile(p)), rel=1e-12, abs=1e-300)
    assert (found.label, found.next_term, found.source) == (label, "next", "somebody")


def test_a_quantile_near_an_end_has_one_side():
    exact = Number(0.0, 1e-6, EXACT, "", "")
    assert ranked(PLACE, exact, quantile, 0.02, 0.0).tolerance == pytest.approx(quantile(0.05) - quantile(0.02))
    assert ranked(PLACE, exact, quantile, 0.98, 0.0).tolerance == pytest.approx(quantile(0.98) - quantile(0.95))
    assert ranked(PLACE, exact, quantile, 0.98, 0.0).source == "z is Gaussian"
    # At the margin itself the quantile a margin away is an end of the law.
    assert ranked(PLACE, exact, quantile, 0.03, 0.0).tolerance == pytest.approx(quantile(0.06) - quantile(0.03))
    assert ranked(PLACE, exact, quantile, 0.97, 0.0).tolerance == pytest.approx(quantile(0.97) - quantile(0.94))
    words = refusal(lambda: ranked(PLACE, exact, lambda rank: 1.0, 0.5, 0.0))
    assert words.endswith("in layer 3: the quantile of rank 0.5 is too close to an end or to a jump of the law")
    assert "rank 0.5 is too close" in refusal(
        lambda: ranked(PLACE, exact, lambda rank: max(rank - 0.5, 0.0), 0.5, 0.0, bounded=True)
    )
    both = lambda rank: math.inf if rank > 0.5 else -math.inf if rank < 0.5 else 0.0  # noqa: E731
    assert "rank 0.5 is too close" in refusal(lambda: ranked(PLACE, exact, both, 0.5, 0.0))


def test_a_jump_at_the_lower_end_leaves_no_room():
    """bounded : where the quantile a margin below is 0, that is the end of the law or a jump there."""
    exact = Number(0.0, 1e-6, EXACT, "", "")
    jump = lambda rank: max(rank - 0.48, 0.0)  # noqa: E731
    assert ranked(PLACE, exact, jump, 0.5, 0.0).tolerance == pytest.approx(0.02)
    assert "too close" in refusal(lambda: ranked(PLACE, exact, jump, 0.5, 0.0, bounded=True))
    assert ranked(PLACE, exact, jump, 0.52, 0.0, bounded=True).tolerance == pytest.approx(0.03)


def test_quantiles_of_wide_laws_are_refused():
    limit = Number(0.0, 1e-6, LIMIT, "1/n", "")
    rank = dataclasses.replace(SMALL, spread=4.0 * (0.03 - 0.0005 - 0.0003) + 1e-6)
    assert "known to 0.06 only, and is not judged beyond 0.06" in refusal(lambda: ranked(rank, limit, quantile, 0.5, 0.0))
    below = dataclasses.replace(rank, spread=rank.spread - 2e-6)
    assert ranked(below, limit, quantile, 0.5, 0.0).tolerance == pytest.approx(quantile(0.56), rel=1e-4, abs=0.0)
    # A law whose own width moves the quantile by a quarter of S + D in rank: it must stay within the tolerance.
    margin = 0.03 + 0.0005 + 0.00075 + 0.0003
    assert ranked(SMALL, limit, quantile, 0.5, 3.99 * margin).tolerance == pytest.approx(quantile(0.5 + margin))
    words = refusal(lambda: ranked(SMALL, limit, quantile, 0.5, 4.01 * margin))
    assert words.endswith("its limit needs wider or fewer layers, the law is too wide for a rank known to 0.032")
    assert ranked(SMALL, dataclasses.replace(limit, label=EXACT), quantile, 0.5, 4.01 * margin).tolerance > 0.0
    capped = lambda at: at if at <= 1.0 - 1e-9 else math.inf  # noqa: E731
    assert "too wide" in refusal(lambda: ranked(SMALL, limit, capped, 0.9, 4.0))
    assert ranked(SMALL, limit, lambda at: min(at, 0.92) if at < 0.9999 else 0.92, 0.9, 4.0).tolerance == pytest.approx(0.02)


def test_logarithms():
    """Mean of a logarithm: half the spread below the logarithm of the mean, of which half the spread is left open."""
    found = logarithm(PLACE, Number(2.0, 0.0, LIMIT, "1/n", "somebody"))
    assert found.value == pytest.approx(2.0 - 0.005, rel=1e-12, abs=0.0)
    assert found.tolerance == pytest.approx(0.005 + 0.005 + 2.0 * 0.002 + 0.0003, rel=1e-12, abs=0.0)
    assert found.error == pytest.approx(1e-10 * 2.995, rel=1e-12, abs=0.0)
    assert (found.label, found.next_term, found.source) == (LIMIT, "1/n", "somebody")
    edge = 2.0 * (0.1 - 0.005 - 0.004 - 0.0003)
    assert logarithm(dataclasses.replace(PLACE, spread=edge - 1e-6), found).tolerance == pytest.approx(0.1, rel=1e-4, abs=0.0)
    words = refusal(lambda: logarithm(dataclasses.replace(PLACE, spread=edge + 1e-6), found))
    assert "known to 0.1 only, and is not judged beyond 0.1" in words


# --- Which tolerance which quantity has, where all is exact

ROOT = math.sqrt(1.5)
G = np.linspace(-12.0, 12.0, 48_001)
CHANCE = np.exp(-0.5 * G**2) / np.exp(-0.5 * G**2).sum()
SIGMOID = special.expit(ROOT * G)
SLOPE = SIGMOID * (1.0 - SIGMOID)


def moments_of_the_sigmoid():
    phi, phi2, slope, slope2 = (float(CHANCE @ part) for part in (SIGMOID, SIGMOID**2, SLOPE, SLOPE**2))
    return {
        "z.variance": (1.5, 0.005 * 1.5),
        "z.kurtosis": (3.0, 0.02),
        "z.tail[1]": (2.0 * special.ndtr(-1.0 / ROOT), 0.002),
        "q": (phi2, 0.005 * phi2),
        "phi.mean": (phi, 0.005 * math.sqrt(phi2 - phi**2)),
        "phi.variance": (phi2 - phi**2, 0.005 * (phi2 - phi**2)),
        "slope.mean": (slope, 0.01 * slope),
        "slope.meansquare": (slope2, 0.01 * slope2),
        "slope.variance": (slope2 - slope**2, 0.01 * (slope2 - slope**2)),
        "share.dead": (0.0, 0.002),
        "phi.saturated": (2.0 * special.ndtr(-special.logit(0.99) / ROOT), 0.002),
        "slope.below[0.01]": (2.0 * special.ndtr(-special.logit(0.5 + math.sqrt(0.25 - 0.01)) / ROOT), 0.002),
        "slope.median": (1.0 / (2.0 + 2.0 * math.cosh(ROOT * special.ndtri(0.75))), None),
        "slope.quantile[0.8]": (1.0 / (2.0 + 2.0 * math.cosh(ROOT * special.ndtri(0.6))), None),
        "phi.quantile[0.8]": (special.expit(ROOT * special.ndtri(0.8)), None),
        "z.quantile[0.8]": (ROOT * special.ndtri(0.8), None),
    }


@pytest.mark.parametrize("name", moments_of_the_sigmoid())
def test_one_gaussian_layer(name):
    """Sums over 48,001 places of z, and closed forms: values to 1e-9, and the tolerances of the list in `network_prediction`."""
    found = NetworkTheory(Ensemble((100, 50), "scaled", "sigmoid", cost="linear")).predict(1, name)
    value, tolerance = moments_of_the_sigmoid()[name]
    assert found.value == pytest.approx(value, rel=1e-9, abs=1e-11)
    assert found.label == EXACT
    if tolerance is not None:
        assert found.tolerance == pytest.approx(tolerance, rel=1e-9, abs=0.0)
    else:
        p = {"median": 0.5}.get(name.rpartition(".")[2], 0.8)
        of = {"phi": special.expit, "z.q": lambda z: z}.get(name[:3], lambda z: special.expit(z) * special.expit(-z))
        rank = (lambda at: 1.0 - 0.5 * at) if name.startswith("slope") else (lambda at: at)
        ends = [float(of(ROOT * special.ndtri(rank(p + side)))) for side in (-0.03, 0.03)]
        assert found.tolerance == pytest.approx(min(value - ends[0], ends[1] - value), rel=1e-6, abs=0.0)
    assert found.error <= 1e-9


def test_an_odd_activation_has_mean_zero_without_error():
    found = NetworkTheory(Ensemble((100, 300, 300), "scaled", "tanh")).predict(2, "phi.mean")
    assert (found.value, found.error) == (0.0, 0.0)


def test_the_tolerance_of_a_kurtosis_grows_with_its_excess():
    theory = NetworkTheory(Ensemble((20, 10, 10), "he_normal", "relu", "on:20"))
    assert theory.predict(2, "z.kurtosis").tolerance == pytest.approx(0.05 * 1.5)
    wide = NetworkTheory(Ensemble((20, 100, 10), "he_normal", "relu", "on:20"))
    assert wide.predict(2, "z.kurtosis").tolerance == 0.02


def test_log_norms_of_rays_are_exact():
    theory = NetworkTheory(Ensemble((20, 30, 40), "he_normal", "relu", "on:20"))
    mean, variance = (theory.predict(2, f"q.lognorm.{part}") for part in ("mean", "variance"))
    assert (mean.label, mean.next_term, mean.tolerance) == (EXACT, "", 0.005)
    assert variance.tolerance == pytest.approx(0.02 * variance.value)
    assert 1e-13 < mean.error < 1e-12
    assert variance.error < 1e-13
    for ensemble in (
        Ensemble((20, 300, 400), "he_normal", "leaky_relu", "on:20"),
        Ensemble((20, 300, 400), "he_normal", ["identity", "relu"], "on:20"),
        Ensemble((20, 300, 400), "normal:2/fan_in+normal:0.1", "relu", "on:20"),
        Ensemble((20, 300, 400), ["he_normal", "he_uniform"], "relu", "on:20"),
    ):
        other = NetworkTheory(ensemble)
        assert other.predict(2, "q.lognorm.mean").label == LIMIT
        assert "it is known for relu and identity without biases" in refusal(lambda at=other: at.predict(2, "q.lognorm.variance"))
