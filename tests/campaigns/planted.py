"""A planted fault and its trial: sampled with what is wrong, judged by what is right, at the size that `plan` announces beforehand.

The plan is made of the right study by the right engine; it knows nothing of the fault. At that size the fault must be refuted by
one of the claims that its entry names, or be refused before anything is sampled. The same run is then watched, as `--until decided`
does it, for the number of networks at which it is first refuted.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from fanin.claims import claims_of, methods_of
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.report import Report
from fanin.run_planning import plan
from fanin.sampling import extended, simulate, step_of
from fanin.stats.verdict import REFUTED
from fanin.studies import Study
from fanin.verification import judge_all

SEED = 11
"""Of the faulty runs; plans are made with the default seed, so that neither knows the numbers of the other."""

NONE = 1e-9
"""A factor that leaves no tolerance: any true claim is refuted with probability alpha at most, and none is confirmed."""

_GROWTH, _FIRST, _LAST = 1.25, 2048, 4


@dataclass(frozen=True)
class Fault:
    """A fault and the study that sees it.

    study : what is right. catches : quantities, one of which must be refuted. sampled : ensembles that are sampled in place of the
    study's, by label. wrong : claimed values that are wrong, by the id of the claim. tolerance : factor on all tolerances, of the
    plan and of the verdict; judged_with : of the verdict, where it is another. refused : what must be refused, where nothing is
    sampled. unseen : why no claim sees it, where none does.
    """

    name: str
    says: str
    study: Study | None = None
    catches: tuple[str, ...] = ()
    sampled: dict[str, Ensemble] = field(default_factory=dict)
    wrong: dict[str, float] = field(default_factory=dict)
    tolerance: float = 1.0
    judged_with: float | None = None
    refused: Callable[[], object] | None = None
    unseen: str = ""


@dataclass(frozen=True)
class Found:
    """What became of a fault: `announced` by the plan, `refuted` claims at that size, `first` networks at which a watched run is
    refuted (None: not within four times as many), or the sentence that refuses it."""

    name: str
    kind: str
    says: str
    study: str
    announced: int | None = None
    refuted: tuple[str, ...] = ()
    caught_by: str = ""
    first: int | None = None
    sentence: str = ""
    unseen: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether it is caught; or, where no claim sees it, not."""
        return self.announced is not None and not self.refuted if self.unseen else bool(self.caught_by or self.sentence)


def announced(study: Study, tolerance: float) -> int | None:
    """Networks per ensemble that decide all claims of the right study, as `plan` says (probability 0.9); None if none do."""
    return _announced(_Key(study), tolerance)


@dataclass(frozen=True, eq=False)
class _Key:
    """A study by its name, for the memory of plans: studies themselves cannot be hashed."""

    study: Study

    def __hash__(self) -> int:
        return hash(self.study.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.study.name == other.study.name


@functools.cache
def _announced(key: _Key, tolerance: float) -> int | None:
    return plan(key.study, tolerance=tolerance).needed


def trial(fault: Fault, kind: str, watched: bool = True, seed: int = SEED, size: int | None = None) -> Found:
    """Plan, sample the fault at the announced size (or at `size`, announced by somebody else), and judge; then watch."""
    about = functools.partial(Found, name=fault.name, kind=kind, says=fault.says, unseen=fault.unseen)
    if fault.refused is not None:
        return about(study="", sentence=_refusal(fault.refused))
    assert fault.study is not None
    size = announced(fault.study, fault.tolerance) if size is None else size
    if size is None:
        return about(study=fault.study.name)
    judged = falsified(fault.study, fault.wrong, size)
    run = _Run(fault, judged, seed)
    report = run.report(size, watched=False)
    caught = caught_by(report, fault.catches)
    first = None
    if watched and caught and fault.judged_with is None:
        first = next((at for at in run.sizes(size) if caught_by(run.report(at, watched=True), fault.catches)), None)
    names = tuple(f"{verdict.claim.quantity} (layer {verdict.claim.layer})" for verdict in refuted(report))
    return about(study=fault.study.name, announced=size, refuted=names, caught_by=caught, first=first)


def control(fault: Fault, size: int | None = None, seed: int = SEED) -> Found:
    """The same run without the fault: nothing may be refuted."""
    assert fault.study is not None
    size = announced(fault.study, fault.tolerance) if size is None else size
    if size is None:
        return Found("no fault", "control", "", fault.study.name, refuted=("no number of networks decides all claims",))
    right = dataclasses.replace(fault, sampled={}, wrong={})
    report = _Run(right, fault.study, seed).report(size, watched=False)
    judged = [verdict.verdict for verdict in report.verdicts]
    counts = ", ".join(f"{judged.count(word)} {word}" for word in ("confirmed", "undecided", "assumed") if word in judged)
    names = tuple(verdict.claim.id for verdict in refuted(report))
    return Found("no fault", "control", counts, fault.study.name, size, names, unseen="there is none")


def controls(faults: Iterable[Fault]) -> Iterator[Found]:
    """One control for each study, tolerance and way to judge."""
    runs = {(fault.study.name, fault.tolerance, fault.judged_with): fault for fault in faults if fault.study is not None}
    for fault in runs.values():
        yield control(fault)


def falsified(study: Study, wrong: dict[str, float], networks: int) -> Study:
    """The study with some claimed values changed; all other claims, tolerances and their number stay."""
    if not wrong:
        return study
    claims = claims_of(study, methods_of(study, None, SEED, networks), SEED, networks)
    if unknown := set(wrong) - {claim.id for claim in claims}:
        raise ValueError(f"{study.name} has no claim {', '.join(sorted(unknown))}")
    false = (dataclasses.replace(claim, predicted=wrong.get(claim.id, claim.predicted)) for claim in claims)
    return dataclasses.replace(study, quantities=(), claims=tuple(false), compared=())


class _Run:
    """Results of the faulty sampler, judged as if they were the study's own."""

    def __init__(self, fault: Fault, judged: Study, seed: int) -> None:
        assert fault.study is not None
        self.study, self.seed = judged, seed
        self.tolerance = fault.tolerance if fault.judged_with is None else fault.judged_with
        self.methods = methods_of(fault.study, None, seed, 1)
        self.ensembles = {label: fault.sampled.get(label, one) for label, one in fault.study.ensembles.items()}
        self.results: dict = {}

    def report(self, size: int, watched: bool) -> Report:
        """Of so many networks. A watched run goes on from where it is."""
        for label, ensemble in self.ensembles.items():
            before = self.results.get(label)
            if watched and before is not None and before.networks < size:
                self.results[label] = extended(before, size)
            else:
                self.results[label] = simulate(ensemble, size, self.seed, self.methods[label])
        return judge_all(self.study, dict(self.results), tolerance=self.tolerance, watched=watched)

    def sizes(self, planned: int) -> Iterator[int]:
        """Looks from a small part of the planned size on, each a quarter further, to a few times that size."""
        self.results = {}
        step = math.lcm(*(step_of(ensemble, self.methods[label]) for label, ensemble in self.ensembles.items()))
        size = max(step, planned // _FIRST // step * step)
        while size <= _LAST * planned:
            yield size
            size += max(step, int(size * (_GROWTH - 1.0)) // step * step)


def refuted(report: Report) -> list:
    """The verdicts that refute a claim which was not expected to be."""
    return [verdict for verdict in report.verdicts if verdict.verdict == REFUTED and verdict.claim.expected != REFUTED]


def caught_by(report: Report, catches: tuple[str, ...]) -> str:
    """The first quantity of those named that is refuted, with its layer; empty where none is."""
    for quantity in catches:
        for verdict in refuted(report):
            if verdict.claim.quantity == quantity:
                return f"{quantity} (layer {verdict.claim.layer})" if verdict.claim.layer > 1 else quantity
    return ""


def _refusal(attempt: Callable[[], object]) -> str:
    """The sentence that refuses an attempt; empty where nothing does."""
    try:
        attempt()
    except SpecificationError as refused:
        return str(refused)
    return ""
