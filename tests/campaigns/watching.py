"""Runs until decided, through the whole engine: how often they are wrong, and what watching costs.

`watched_runs`: many runs of small ensembles whose claims are true, or have the truth exactly on the edge of their tolerance. At
every look, also after the one at which the run would have stopped, a word is wrong that refutes the first or confirms the second.

`cost_of_watching`: for each claim of a built-in study the size at which its sequence first decides, over the size that a run of
fixed size needs for the same claim with probability 0.9 (`plan`).
"""

from __future__ import annotations

import dataclasses
import math
import statistics

from scipy import stats

from fanin import Ensemble, Study, plan
from fanin.claims import methods_of
from fanin.sampling import extended, simulate
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Claim
from fanin.studies import built_in
from fanin.verification import judge_all
from fanin.watching import look_sizes, watch

ENSEMBLES = {
    "neuron": Ensemble((4, 1), "scaled"),
    "coin flips": Ensemble((8, 1), "standard", inputs="bernoulli:0.5"),
    "narrow relu": Ensemble((10, 10, 10, 10), "he_normal", "relu", "on:10", cost="linear"),
    "tanh": Ensemble((10, 20, 10), "scaled", "tanh", "on:10", cost="quadratic"),
}
SIZES = {"neuron": 250_000, "coin flips": 250_000, "narrow relu": 20_000, "tanh": 20_000}


def watched_runs(runs: int, alpha: float = 0.05) -> str:
    """Wrong words over all looks of so many runs of each ensemble, each at family-wise alpha."""
    parts = []
    for label, ensemble in ENSEMBLES.items():
        study = Study(label, "", {label: ensemble}, networks=SIZES[label])
        wrong = sum(_is_wrong(study, seed, alpha) for seed in range(runs))
        most = stats.beta.ppf(0.99, wrong + 1, runs - wrong)
        parts.append(f"{label}: {wrong} of {runs} runs with a wrong word at some look (99 % upper limit {most:.4f})")
        if most > alpha and stats.binom.sf(wrong - 1, runs, alpha) < 1e-6:
            raise SystemExit("; ".join(parts))
    return "; ".join(parts)


def _is_wrong(study: Study, seed: int, alpha: float) -> bool:
    label, ensemble = next(iter(study.ensembles.items()))
    methods = methods_of(study, None, seed, study.networks)
    result = None
    edges: Study | None = None
    for size in look_sizes(study, methods, study.networks):
        result = simulate(ensemble, size, seed, methods[label], threads=1) if result is None else extended(result, size)
        report = judge_all(study, {label: result}, alpha, watched=True)
        if any(v.verdict == REFUTED for v in report.verdicts):
            return True
        edges = edges or _on_the_edge(study, [v.claim for v in report.verdicts])
        if any(v.verdict == CONFIRMED for v in judge_all(edges, {label: result}, alpha, watched=True).verdicts):
            return True
    return False


def _on_the_edge(study: Study, claims: list[Claim]) -> Study:
    """The exact claims, with predictions off by their tolerance: below for even ones, above for odd ones."""
    moved = [
        dataclasses.replace(claim, id=f"{claim.id}/edge", predicted=claim.predicted + (-1) ** i * claim.tolerance, error=0.0)
        for i, claim in enumerate(claims)
        if claim.label == "exact" and not claim.quantity.endswith((".law", ".lane.sign", ".lane.size"))
    ]
    return dataclasses.replace(study, claims=tuple(moved), quantities=())


def cost_of_watching(name: str, seeds: int) -> str:
    """Ratios of a built-in study by kind of interval: mean over seeds for each claim, then the median and the largest of claims."""
    study = built_in(name)
    announced = {planned.claim.id: planned.needed for planned in plan(study).claims}
    decided: dict[str, list[int]] = {claim: [] for claim in announced}
    kinds: dict[str, str] = {}
    first_look = look_sizes(study, methods_of(study, None, 0, study.networks))[0]
    for seed in range(seeds):
        first: dict[str, int] = {}

        def note(report, first=first):
            for verdict in report.verdicts:
                kinds[verdict.claim.id] = verdict.interval.coverage
                if verdict.verdict != UNDECIDED:
                    first.setdefault(verdict.claim.id, verdict.networks)

        watch(study, methods_of(study, None, seed, study.networks), seed, 0.01, 1.0, look=note)
        for claim, sizes in decided.items():
            if claim in first:  # one that lies on its edge is never decided
                sizes.append(first[claim])
    ratios = {claim: [size / (announced[claim] or 1) for size in sizes] for claim, sizes in decided.items() if sizes}
    means = {claim: statistics.fmean(found) for claim, found in ratios.items()}
    lines = []
    for kind in ("gaussian", "exact", "bounded", "asymptotic"):
        found = {claim: mean for claim, mean in means.items() if kinds[claim] == kind}
        if found:
            worst = max(found, key=found.__getitem__)
            error = statistics.stdev(ratios[worst]) / math.sqrt(seeds) if seeds > 1 else math.nan
            least = "" if announced[worst] and announced[worst] > first_look else ", which needs less than the first look has"
            lines.append(
                f"{kind}: {len(found)} claims, median {statistics.median(found.values()):.2f}, most {found[worst]:.2f} "
                f"(standard error {error:.2f}; {worst}{least})"
            )
    return f"{seeds} seeds; " + "; ".join(lines)
