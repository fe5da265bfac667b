"""What theory claims by default of deep networks, against networks of the conditional sampler: no true statement is refuted.

Every activation, with narrow and wide layers, and the networks where limits came off worst. Each run errs with probability 1e-8,
all together with less than 1e-6. Tolerances of limits that are a quarter as wide are found out.
"""

import pytest

import fanin
from fanin import judges
from fanin.engine.activation_spec import BUILT_IN
from fanin.engine.spec import Ensemble
from fanin.stats import network_prediction
from fanin.stats.verdict import CONFIRMED, REFUTED

BIASED = "normal:2/fan_in+normal:0.3"


def report(widths, scheme, activation, cost, inputs="", networks=4000):
    ensemble = Ensemble(widths, scheme, activation, inputs=inputs or f"on:{widths[0]}", cost=cost)
    return fanin.verify(fanin.simulate(ensemble, networks=networks, seed=19, method="conditional"), alpha=1e-8)


def refuted(found):
    claims = [(one.claim, one.interval) for one in found.verdicts if one.verdict == REFUTED]
    return [(claim.layer, claim.quantity, claim.predicted, claim.tolerance, interval) for claim, interval in claims]


@pytest.mark.parametrize("activation", BUILT_IN)
@pytest.mark.parametrize(
    ("widths", "scheme", "cost"),
    [((20,) * 7, "lecun_normal", "linear"), ((60,) * 6, BIASED, "quadratic"), ((30,) * 11, "scaled", "linear")],
    ids=["narrow", "biased", "deep"],
)
def test_no_claim_is_refuted(widths, scheme, cost, activation):
    found = report(widths, scheme, activation, cost)
    assert not refuted(found)
    assert len(found.verdicts) > 40


HARD = {
    "softplus": ((100,) * 11, "lecun_normal", "softplus", "linear", "", 60_000),
    "tanh": ((30,) * 13, "lecun_normal", "tanh", "linear", "", 20_000),
    "hard_tanh": ((30,) * 13, "normal:1.5/fan_in+normal:0.1", "hard_tanh", "linear", "", 20_000),
    "silu": ((100,) * 5, "normal:2/fan_in", "silu", "quadratic", "", 20_000),
    "dying relu": ((6,) * 11, "he_normal", "relu", "linear", "gaussian", 20_000),
    "dead relu": ((3,) * 61, "he_normal", "relu", "linear", "gaussian", 1000),
    "rare": ((10, 10, 5), "normal:1e6", "tanh", "linear", "", 20_000),
    "two neurons": ((2,) * 21, "lecun_normal", "tanh", "linear", "", 1000),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_networks(name):
    found = report(*HARD[name])
    assert not refuted(found)
    assert any(one.verdict == CONFIRMED for one in found.verdicts) or name in ("dying relu", "dead relu", "rare", "two neurons")


def test_a_narrow_tolerance_is_found_out(monkeypatch):
    """Planted: a quarter of what limits neglect. The gradient of softplus, 9 % above its limit, is then refuted."""
    monkeypatch.setattr(network_prediction.Place, "neglected", property(lambda place: 0.25 * (place.spread + place.shift)))
    judges._judge.cache_clear()
    wrong = {one[1] for one in refuted(report(*HARD["softplus"]))}
    judges._judge.cache_clear()
    assert "delta.meansquare" in wrong
