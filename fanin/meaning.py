"""The line in plain words under a report: what the numbers mean for the neurons and for learning."""

from __future__ import annotations

import math

import numpy as np

from fanin.engine.accumulators import Accumulators
from fanin.layer_profile import Profile, has_profile, profile_of
from fanin.network_story import few_networks, network_story, percent, trend
from fanin.report import Report
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED

_TOLD = 6
"""Ensembles that are told of one by one, at most."""


def meaning(report: Report, profiles: dict[str, Profile] | None = None) -> str:
    """One line in plain words on what the numbers mean.

    profiles : of the ensembles that are networks, by label, where they are known already.
    """
    networks = [label for label, result in report.results.items() if has_profile(result)]
    if not networks:
        return _single_layers(report)
    if report.study.compared:
        return _comparisons(report)
    if profiles is None:
        profiles = {label: profile_of(report.results[label], label) for label in networks}
    if len(report.results) > _TOLD:
        return _extremes(profiles)
    costs = {profiles[label].ensemble.cost for label in networks}
    parts = []
    for label, result in report.results.items():
        if label in profiles:
            story = network_story(profiles[label], output=len(costs) > 1)
        else:
            assert isinstance(result.layers[1], Accumulators)
            story = f"{percent(result.estimates()['phi.saturated'])} of the neurons start saturated"
        parts.append(f"{label}: {story}" if len(report.results) > 1 else f"{story[0].upper()}{story[1:]}")
    return f"{'; '.join(parts)}."


def _comparisons(report: Report) -> str:
    """Of two samplers of one law."""
    verdicts = [v for v in report.verdicts if v.claim.against]
    agree, differ, open_ = (sum(v.verdict == word for v in verdicts) for word in (CONFIRMED, REFUTED, UNDECIDED))
    words = "The samplers of each pair"
    if agree == len(verdicts):
        return f"{words} agree in all {len(verdicts)} comparisons."
    return f"{words} agree in {agree} of {len(verdicts)} comparisons, differ in {differ}, and {open_} are undecided."


def _extremes(profiles: dict[str, Profile]) -> str:
    """Where there are too many ensembles for a sentence each: the ends of what they do."""
    saturated: dict[str, float] = {}
    factors: dict[str, float] = {}
    for label, profile in profiles.items():
        if profile.bounded.any():
            saturated[label] = float(np.nanmax(np.where(profile.bounded, profile.values["phi.saturated"], np.nan)))
        hidden = (profile.layers < profile.ensemble.depth) & (profile.counts["extreme"] == 0)
        change = trend(profile.layers[hidden], profile.values["delta.meansquare"][hidden], towards_input=True)
        if change is not None:
            factors[label] = math.exp(change.rate)
    parts = []
    for words, values, shown in (
        ("in the most saturated layer {} of the neurons are saturated", saturated, percent),
        ("per layer towards the input the mean-square gradient changes by a factor {}", factors, "{:.2g}".format),
    ):
        known = {label: value for label, value in values.items() if math.isfinite(value)}
        if known:
            least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
            parts.append(words.format(f"from {shown(known[least])} ({least}) to {shown(known[most])} ({most})"))
    found = few_networks(next(iter(profiles.values())).networks) + ", and ".join(parts)
    return f"{found[0].upper()}{found[1:]}." if parts else f"{len(profiles)} ensembles of networks were sampled."


def _single_layers(report: Report) -> str:
    shares = {label: result.estimates()["phi.saturated"] for label, result in report.results.items()}
    if any(math.isnan(share) for share in shares.values()):
        return "No network gave a finite pre-activation."
    if "standard" in shares and "scaled" in shares:
        standard, scaled = (percent(shares[label]) if shares[label] else "none" for label in ("standard", "scaled"))
        return f"{standard} of these neurons start saturated; after scaling {scaled}."
    (least, low), *_, (most, high) = 2 * sorted(shares.items(), key=lambda item: item[1])
    saturated = "start saturated (phi within 1 % of an end of its range)"
    if len(shares) == 1:
        return f"{'None' if low == 0.0 else percent(low)} of these neurons {saturated}."
    return f"From {percent(low)} ({least}) to {percent(high)} ({most}) of these neurons {saturated}."
