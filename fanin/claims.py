"""What a study claims: the sampler of each ensemble, and all claims in the order of its report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from fanin.engine import conditional, direct
from fanin.engine.errors import SpecificationError
from fanin.judges import Judge, NetworkJudge, NeuronJudge, judge_of
from fanin.sampling import resolved_method
from fanin.stats.network_quantities import recorded_names
from fanin.stats.two_sample import difference_tolerance
from fanin.stats.verdict import Claim
from fanin.studies import Study


def methods_of(study: Study, method: str | None, seed: int, networks: int) -> dict[str, str]:
    """The sampler of each ensemble: its own, the given one, or that of the study."""
    found = {}
    for label, ensemble in study.ensembles.items():
        own = study.methods.get(label)
        if own is not None and method not in (None, own):
            raise SpecificationError(f"method is {method!r}, and the study {study.name} samples {label} by {own}; leave method out")
        chosen = own or method or study.method
        if chosen == "auto":
            chosen = resolved_method(ensemble, "auto")
            if chosen == conditional.NAME:
                judge = judge_of(label, ensemble, chosen, seed, networks)
                if any(claim.assumed for claim in _theory_claims(study, judge)):
                    chosen = direct.NAME
        found[label] = resolved_method(ensemble, chosen)
    return found


def claims_of(study: Study, methods: dict[str, str], seed: int, networks: int) -> list[Claim]:
    """All claims of a study, in the order of its report: theory of each ensemble, then the study's own, then comparisons."""
    judges = {label: judge_of(label, one, methods[label], seed, networks) for label, one in study.ensembles.items()}
    _check_quantities(study, judges)
    claims: list[Claim] = []
    for label, one in judges.items():
        claims += _theory_claims(study, one)
        for claim in study.claims:
            if claim.ensemble == label:
                one.check(claim.quantity, claim.layer)
                if claim.against in judges:
                    judges[claim.against].check(claim.quantity, claim.against_layer or claim.layer)
                claims.append(dataclasses.replace(claim, assumed=one.assumes(claim)))
    named = [label for claim in study.claims for label in (claim.ensemble, claim.against) if label]
    if lost := [label for label in named if label not in study.ensembles]:
        raise SpecificationError(f"a claim is about the ensemble {lost[0]!r}; the study has {', '.join(study.ensembles)}")
    _check_streams(study, methods)
    for pair in study.compared:
        one, other = (judges[label] for label in pair)
        if not (isinstance(one, NetworkJudge) and isinstance(other, NetworkJudge)):
            raise SpecificationError(f"{' and '.join(pair)} are single neurons; only networks are compared quantity by quantity")
        claims += _comparisons(one, other)
    own = study.name in ("ensemble", "result")
    if claims and all(claim.assumed for claim in claims):
        what = "theory says of this ensemble" if own else f"the study {study.name} claims"
        raise SpecificationError(f"the conditional sampler assumes all that {what}: nothing would be judged; take method direct")
    if not claims and own:
        raise SpecificationError("theory claims nothing of this ensemble; give a study with claims")
    if not claims:
        raise SpecificationError(f"the study {study.name} claims nothing; give it quantities or claims")
    return claims


def _check_streams(study: Study, methods: dict[str, str]) -> None:
    """Refuse to compare two ensembles that draw the same numbers: their difference would be nothing, and would be confirmed."""
    pairs = [(claim.ensemble, claim.against) for claim in study.claims if claim.against not in ("", claim.ensemble)]
    streams = {label: ensemble.stream_label(methods[label]) for label, ensemble in study.ensembles.items()}
    for one, other in (*study.compared, *pairs):
        if streams[one] == streams[other]:
            raise SpecificationError(
                f"{one} and {other} are one ensemble, sampled in one way: they draw the same numbers, and differ in nothing; "
                "compare different ensembles or methods, or two runs of different seeds (fanin compare)"
            )


def _theory_claims(study: Study, judge: Judge) -> Iterator[Claim]:
    """What theory claims of an ensemble: by default all it knows, else the study's quantities wherever it predicts them."""
    if study.compared:
        return
    for layer in judge.layers:
        for quantity in judge.names(layer) if study.quantities is None else study.quantities:
            claim = _predicted(judge, quantity, layer)
            if isinstance(claim, Claim):
                yield claim


def _predicted(judge: Judge, quantity: str, layer: int) -> Claim | SpecificationError:
    """The claim about a quantity of a layer, or the reason why there is none."""
    try:
        return judge.claim(quantity, layer)
    except SpecificationError as error:
        return error


def _check_quantities(study: Study, judges: dict[str, Judge]) -> None:
    """Refuse a quantity that theory predicts for no layer of any ensemble, or not for a single neuron of the study."""
    for quantity in study.quantities or ():
        found = [[_predicted(one, quantity, layer) for layer in one.layers] for one in judges.values()]
        nowhere = not any(isinstance(claim, Claim) for claims in found for claim in claims)
        for claims, one in zip(found, judges.values(), strict=True):
            if (nowhere or isinstance(one, NeuronJudge)) and not isinstance(claims[0], Claim):
                raise claims[0]


def _comparisons(one: NetworkJudge, other: NetworkJudge) -> Iterator[Claim]:
    """Every quantity that both record of each layer: both have the same law.

    Left out are what the conditional sampler draws from, the lower half of |delta| and |dC/dw|, which may be all zeros, and the
    variance of logarithms of what comes back from a softmax, whose few outputs that are nearly certain make it up.
    """
    softmax = one.theory.ensemble.cost == "softmax"
    for layer in one.layers:
        for quantity in recorded_names(one.theory.ensemble, layer):
            back = quantity.startswith(("delta.", "grad.", "jacobian."))
            lower = quantity.startswith(("delta.", "grad.", "change.")) and quantity.endswith((".median", "[0.05]"))
            lower = lower or (softmax and back and quantity.endswith(".lognorm.variance"))
            if quantity.startswith(("field.", "independence.")) or lower:
                continue
            yield Claim(
                id=f"{one.label}/{layer}/{quantity}/against {other.label}",
                ensemble=one.label,
                layer=layer,
                quantity=quantity,
                predicted=0.0,
                tolerance=difference_tolerance(quantity, _unit(one, layer)),
                source="one law, sampled in two ways",
                against=other.label,
            )


def _unit(judge: Judge, layer: int) -> float:
    """The standard deviation of z in a layer, where theory knows it."""
    try:
        return math.sqrt(judge.claim("z.variance", layer).predicted)
    except SpecificationError:
        return 1.0
