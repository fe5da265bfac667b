"""The law of delta and what moves it: against plain integration, finite differences and draws, without the code's own recursion."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from fanin.engine.activation_spec import OwnActivation
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.backward_theory import (
    SizeLaw,
    backward_layers,
    first_sizes,
    gradient_quantile,
    root_of,
    targets_of,
)
from fanin.stats.forward_theory import forward_layers
from fanin.stats.gaussian_layer import layer_function
from fanin.stats.network_theory import NetworkTheory


def backward(ensemble):
    _, forward, _ = forward_layers(ensemble, None)
    return forward, backward_layers(ensemble, forward)


# --- Laws of sizes


MIXED = SizeLaw(np.array([0.0, 2.0, -1.0, 0.5]), np.array([1.5, 0.3, 0.0, 0.0]), np.array([0.4, 0.3, 0.2, 0.1]))
SMOOTH = SizeLaw(np.array([0.0, 2.0, -1.0]), np.array([1.5, 0.3, 0.5]), np.array([0.5, 0.3, 0.2]))
CENTRED = SizeLaw(np.zeros(3), np.array([1.0, 3.0, 0.0]), np.array([0.5, 0.3, 0.2]))
GRID = np.array([1e-3, 0.2, 0.49, 0.51, 0.99, 1.01, 1.7, 2.2, 5.0, 40.0])


def size_cdf(law, size):
    parts = [
        (stats.norm.cdf(size, c, s) - stats.norm.cdf(-size, c, s)) if s > 0.0 else float(abs(c) <= size)
        for c, s in zip(law.centre, law.deviation, strict=True)
    ]
    return float(law.chance @ parts)


@pytest.mark.parametrize("law", [MIXED, SMOOTH, CENTRED])
def test_mixtures_of_sizes(law):
    assert law.cdf(GRID) == pytest.approx([size_cdf(law, size) for size in GRID], abs=1e-14)
    assert law.cdf(0.7).shape == (1,)
    for p in (0.25, 0.45, 0.8, 0.97):
        size = law.quantile(p)
        assert size_cdf(law, size * (1 - 1e-7)) - 1e-9 <= p <= size_cdf(law, size * (1 + 1e-7)) + 1e-9


def test_a_table_is_the_law_between_its_places():
    for law, atom in ((SMOOTH, 0.0), (CENTRED, 0.2)):
        logs, shares = law.table
        assert np.interp(np.log(GRID), logs, shares) == pytest.approx([size_cdf(law, size) for size in GRID], abs=6e-4)
        assert (np.diff(logs) > 0.0).all()
        assert (np.diff(shares) >= 0.0).all()
        assert (shares[0], shares[-1]) == (pytest.approx(atom), pytest.approx(1.0))


def test_an_atom_at_zero_is_the_quantile_below_its_chance():
    assert CENTRED.quantile(0.19) == 0.0
    assert CENTRED.quantile(0.2) == 0.0
    assert CENTRED.quantile(0.21) > 1e-3
    assert root_of(lambda log: 1.0, 0.5) == 0.0
    assert root_of(lambda log: 1.0 / (1.0 + math.exp(-log)), 0.5) == pytest.approx(1.0, rel=1e-8)
    assert root_of(lambda log: special.expit(log - 600.0), 0.5) == pytest.approx(math.exp(600.0), rel=1e-6)
    assert root_of(lambda log: special.expit(log + 600.0), 0.5) == pytest.approx(math.exp(-600.0), rel=1e-6)


def test_a_table_of_sizes_follows_their_scale():
    """Sizes over 1e200 above and below: the same law in other units."""
    for factor in (1e-200, 1e200):
        scaled = SizeLaw(MIXED.centre * factor, MIXED.deviation * factor, MIXED.chance)
        assert scaled.table[0] == pytest.approx(MIXED.table[0] + math.log(factor))
        # The last place is the largest number of float64 or so, for any unit.
        assert scaled.table[1][1:-1] == pytest.approx(MIXED.table[1][1:-1], abs=1e-12)
        assert scaled.quantile(0.6) == pytest.approx(MIXED.quantile(0.6) * factor, rel=1e-7)


def test_values_without_noise_are_ranked():
    """Their distribution is taken through the middle of each step: of a fine grid, the law itself."""
    z = np.linspace(-6.0, 6.0, 4001)
    chance = stats.norm.pdf(z) / stats.norm.pdf(z).sum()
    law = SizeLaw(z, np.zeros(z.size), chance)
    for size in (0.1, 1.0, 2.5):
        assert law.cdf(size)[0] == pytest.approx(2.0 * stats.norm.cdf(size) - 1.0, abs=3e-3)
    for p in (0.1, 0.5, 0.9):
        assert law.quantile(p) == pytest.approx(stats.norm.ppf(0.5 + 0.5 * p), abs=4e-3)
    few = SizeLaw(np.array([3.0, -1.0]), np.zeros(2), np.array([0.25, 0.75]))
    assert few.cdf(np.array([0.5, 1.0, 2.0, 3.0, 4.0])) == pytest.approx([0.0, 0.375, 0.625, 0.875, 1.0])
    assert (few.quantile(0.375), few.quantile(0.875)) == (1.0, 3.0)


def test_quantiles_of_products():
    """P(|delta| |h| <= q) by summing over the sizes of h."""
    sizes, chances = np.array([0.0, 0.5, 3.0]), np.array([0.25, 0.5, 0.25])
    product = lambda size: 0.25 + 0.5 * size_cdf(SMOOTH, size / 0.5) + 0.25 * size_cdf(SMOOTH, size / 3.0)  # noqa: E731
    for p in (0.3, 0.6, 0.95):
        expected = optimize.brentq(lambda size, p=p: product(size) - p, 1e-9, 100.0)
        assert gradient_quantile(SMOOTH, sizes, chances, p) == pytest.approx(expected, rel=1e-3)
    assert gradient_quantile(MIXED, sizes, chances, 0.25) == 0.0
    assert gradient_quantile(MIXED, sizes, chances, 0.26) > 1e-3


# --- Sizes of inputs


@pytest.mark.parametrize(
    ("inputs", "law", "zero"),
    [
        ("gaussian:1.5", stats.halfnorm(scale=1.5), 0.0),
        ("sparse:0.75:2", stats.halfnorm(scale=2.0), 0.75),
        ("ar1:0.5:0.7", stats.halfnorm(scale=0.7), 0.0),
        ("uniform:1:3", stats.uniform(1, 2), 0.0),
    ],
)
def test_sizes_of_random_inputs(inputs, law, zero):
    sizes, chances = first_sizes(Ensemble((8, 5, 5), "scaled", "tanh", inputs))
    assert chances.sum() == pytest.approx(1.0)
    assert chances[sizes == 0.0].sum() == pytest.approx(zero)
    for k in (1, 2, 4):
        assert chances @ sizes**k == pytest.approx((1.0 - zero) * law.moment(k), rel=1e-9)
    assert chances @ np.cos(sizes) == pytest.approx(zero + (1 - zero) * law.expect(np.cos), rel=1e-7)


def test_sizes_of_inputs_on_both_sides_of_zero():
    sizes, chances = first_sizes(Ensemble((8, 5, 5), "scaled", "tanh", "uniform:-1:3"))
    assert chances @ sizes == pytest.approx(1.25, rel=1e-3)
    assert chances @ sizes**2 == pytest.approx(7.0 / 3.0)
    assert sizes.min() >= 0.0


def test_sizes_of_ones():
    for inputs, share in (("subset:2", 0.25), ("bernoulli:0.25", 0.25), ("on:2", None)):
        sizes, chances = first_sizes(Ensemble((8, 6, 5), "scaled", "tanh", inputs))
        found = chances[sizes == 1.0].sum()
        # Of six weights, each of its own row, two meet an input that is on.
        assert found == pytest.approx(2.0 / 6.0 if share is None else share)
        assert chances.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("n", "width"), [(8, 5), (5, 8), (64, 64), (200, 900), (8, 8)])
def test_weights_meet_inputs_that_are_spread_over_all(n, width):
    x = np.linspace(-2.0, 3.0, n).astype(np.float32)
    sizes, chances = first_sizes(Ensemble((n, width, 5), "scaled", "tanh", Inputs.fixed(x)))
    count = min(width, 64)
    met = [i * n // count if n > count else i % n for i in range(count)]
    assert sizes == pytest.approx(np.abs(x[met]))
    assert chances == pytest.approx(np.full(count, 1.0 / count))


def test_inputs_of_unknown_law():
    with pytest.raises(SpecificationError, match="does not know the law of one input where inputs are"):
        first_sizes(Ensemble((3, 5, 5), "scaled", "tanh", Inputs.correlated(np.eye(3))))


# --- Targets and the output


def test_targets():
    def of(targets, outputs=4, cost="quadratic"):
        return targets_of(Ensemble((5, outputs), "scaled", "sigmoid", "on:5", cost=cost, targets=targets))

    assert of("random") == [(1.0, 0.5), (0.0, 0.5)]
    assert of("one-hot") == [(1.0, 0.25), (0.0, 0.75)]
    assert of("one-hot", 1) == [(1.0, 1.0)]
    assert of("one-hot", 3)[0][1] == pytest.approx(1.0 / 3.0)
    assert of((0.5, -1.0, 0.5, 2.0)) == [(-1.0, 0.25), (0.5, 0.5), (2.0, 0.25)]
    assert targets_of(Ensemble((5, 4), "scaled", "identity", "on:5", cost="softmax")) is None


def over_normal(function, variance):
    std = math.sqrt(variance)
    return integrate.quad(
        lambda z: function(z) * stats.norm.pdf(z, scale=std), -12 * std, 12 * std, limit=300, points=[-1, 0, 1], epsabs=1e-15
    )[0]


OUTPUTS = {
    "linear": ("linear", "random", "tanh"),
    "quadratic": ("quadratic", "one-hot", "tanh"),
    "far targets": ("quadratic", (3.0, -1.0, 3.0, 0.5), "sigmoid"),
    "entropy": ("cross-entropy", "random", "sigmoid"),
    "entropy, one-hot": ("cross-entropy", "one-hot", "sigmoid"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_delta_of_the_output(case):
    """Mean square, kurtosis, E[z delta], and what a change of Var z does to them, by integrals over z and the targets."""
    cost, targets, name = OUTPUTS[case]
    ensemble = Ensemble((6, 4), "normal:0.8+normal:0.3", name, "on:6", cost=cost, targets=targets)
    forward, (back,) = backward(ensemble)
    q, function, law = forward[0].gaussian.q, layer_function(name), targets_of(ensemble)
    assert q == pytest.approx(6 * 0.64 + 0.09)

    def delta(z, y):
        value, slope = float(function.value(np.array(z))), float(function.slope(np.array(z)))
        return {"linear": slope, "quadratic": (value - y) * slope, "cross-entropy": value - y}[cost]

    def mean(of, variance=q):
        return over_normal(lambda z: sum(share * of(z, delta(z, y)) for y, share in law), variance)

    square, along = mean(lambda z, d: d**2), mean(lambda z, d: z * d)
    directed = 3.0 if cost == "linear" else 1.0  # delta is phi' times a coordinate of a random direction
    assert back.log_square == pytest.approx(math.log(square), abs=1e-10)
    assert back.kurtosis == pytest.approx(directed * mean(lambda z, d: d**4) / square**2, rel=1e-9)
    if cost != "linear":
        assert back.along == pytest.approx(along, rel=1e-9)
        step = 1e-3
        slope = (mean(lambda z, d: z * d, q * (1 + step)) - mean(lambda z, d: z * d, q * (1 - step))) / (2 * step * along)
        assert back.lean == pytest.approx(slope, abs=1e-5)
    pull = (mean(lambda z, d: d**2, q * 1.001) - mean(lambda z, d: d**2, q * 0.999)) / (2e-3 * square)
    assert back.pull == pytest.approx(pull, abs=1e-5)
    assert back.turn == pytest.approx(mean(lambda z, d: z**2 * d**2) / (q * square) - 1.0, abs=1e-9)
    for p in (0.3, 0.8):
        assert back.law.cdf(back.law.quantile(p))[0] == pytest.approx(p, abs=1e-3)
    if cost == "cross-entropy":
        rng = np.random.default_rng(61)
        z = math.sqrt(q) * rng.standard_normal(1_000_000)
        ends = np.cumsum([share for _, share in law])
        y = np.array([one for one, _ in law])[np.searchsorted(ends, rng.random(z.size))]
        for p in (0.3, 0.8):
            found = back.law.cdf(np.quantile(np.abs(special.expit(z) - y), p))[0]
            assert found == pytest.approx(p, abs=5e-3)  # nine standard errors


# --- Layers below


DEEP = {
    "linear": Ensemble((9, 200, 300, 100), "normal:1.3/fan_in+normal:0.2", ["gelu", "tanh", "tanh"], "on:9", cost="linear"),
    "quadratic": Ensemble(
        (9, 300, 200, 300), "normal:1.3/fan_in+normal:0.2", ["tanh", "gelu", "sigmoid"], "on:9", cost="quadratic"
    ),
    "entropy": Ensemble(
        (9, 200, 200, 200), "normal:2/fan_in", ["tanh", "silu", "sigmoid"], "on:9", cost="cross-entropy", targets=(0.25,) * 200
    ),
}


@pytest.mark.parametrize("case", DEEP)
def test_hidden_layers_by_integrals(case):
    """delta = phi'(z) (A phi(z) + sigma g), with A and sigma from the mean square and E[z delta] of the layer above."""
    ensemble = DEEP[case]
    forward, back = backward(ensemble)
    for layer in (1, 2):
        here, above, upper = back[layer - 1], back[layer], forward[layer].gaussian.q
        scheme, widths = ensemble.schemes[layer], ensemble.widths
        factor = scheme.weights.variance(*widths[layer : layer + 2]) * widths[layer + 1]
        noise = factor * math.exp(above.log_square)
        part = factor * above.along * math.exp(above.scale) / upper
        function, q = layer_function(ensemble.activations[layer - 1]), forward[layer - 1].gaussian.q

        def delta(z, function=function, part=part):
            z = np.array(z)
            return float(function.slope(z)), float(part * function.value(z))

        def square(z, delta=delta, noise=noise):
            slope, centre = delta(z)
            return slope**2 * (centre**2 + noise)

        def fourth(z, delta=delta, noise=noise):
            slope, centre = delta(z)
            return slope**4 * (centre**4 + 6 * centre**2 * noise + 3 * noise**2)

        size = over_normal(square, q)
        assert here.log_square == pytest.approx(math.log(size), abs=1e-8)
        assert here.kurtosis == pytest.approx(over_normal(fourth, q) / size**2, rel=1e-7)
        along = over_normal(lambda z, delta=delta: z * math.prod(delta(z)), q)
        assert here.along * math.exp(here.scale) == pytest.approx(along, rel=1e-8, abs=1e-12)
        turn = over_normal(lambda z, square=square: z**2 * square(z), q) / (q * size) - 1.0
        assert here.turn == pytest.approx(turn, abs=1e-7)
        for p in (0.2, 0.7):
            place = here.law.quantile(p) * math.exp(here.scale)

            def below(z, place=place, delta=delta, noise=noise):
                slope, centre = delta(z)
                return stats.norm.cdf((place / abs(slope) - centre) / math.sqrt(noise)) - stats.norm.cdf(
                    (-place / abs(slope) - centre) / math.sqrt(noise)
                )

            assert over_normal(below, q) == pytest.approx(p, abs=1e-4)  # what predictions state as their error


@pytest.mark.parametrize("case", DEEP)
@pytest.mark.parametrize("layer", [1, 2])
def test_pull_and_lean_are_derivatives(case, layer):
    """Of ln E delta^2 and ln E[z delta] by ln Q, where the weights of this layer are scaled and those above follow."""
    ensemble = DEEP[case]
    forward, back = backward(ensemble)
    here = back[layer - 1]
    place, found = forward[layer - 1], []
    for step in (-1e-4, 1e-4):
        size = place.square * (1.0 + step * place.gaussian.q / (place.gaussian.q - place.bias))
        moved = list(ensemble.schemes)
        moved[layer - 1] = f"normal:{size!r}/fan_in+normal:{math.sqrt(place.bias)!r}"
        _, one = backward(dataclasses.replace(ensemble, scheme=moved))
        found.append((one[layer - 1].log_square, math.log(abs(one[layer - 1].along) or 1.0) + one[layer - 1].scale))
    assert here.pull == pytest.approx((found[1][0] - found[0][0]) / 2e-4, abs=2e-5)
    if case != "linear":
        assert here.lean == pytest.approx((found[1][1] - found[0][1]) / 2e-4, abs=2e-5)


@pytest.mark.parametrize(("weights", "known"), [("1e-20", True), ("1e-35", False)])
def test_deltas_that_leave_float64_are_refused(weights, known):
    """Where the square of a layer's mean square, in units of the one above, is no accurate float64 number."""
    faint = OwnActivation(lambda z: np.float32(1e-44) * z, lambda z: np.float32(1e-44), name=f"faint {weights}")
    ensemble = Ensemble((5, 100, 100), ["scaled", f"normal:{weights}+normal:1"], [faint, "tanh"], "on:5", cost="linear")
    assert bool(backward(ensemble)[1]) == known
    if not known:
        with pytest.raises(SpecificationError, match="delta is out of the range of float64"):
            NetworkTheory(ensemble).predict(1, "delta.meansquare")
