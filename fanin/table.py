"""A report as a person reads it: a sketch, a table of 80 columns, and one line in plain words."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from fanin.claim_table import ASYMPTOTIC, claim_table, fits, is_asymptotic, what_decides
from fanin.density_sketch import BLOCKS, density_sketch
from fanin.engine.schemes import Law
from fanin.engine.spec import Ensemble
from fanin.gradient_sketch import gradient_sketch
from fanin.layer_profile import has_profile, profile_of
from fanin.meaning import meaning
from fanin.network_table import legend, print_network
from fanin.report import Report
from fanin.stats.verdict import ASSUMED, UNDECIDED, Verdict

WIDTH = 80
_MOST_UNDECIDED = 10
_ADVICE = "--until decided goes on until they are, at the same error rate; another fixed size needs another seed to keep it"


__all__ = ["WIDTH", "meaning", "parts_of_variance", "plain_text", "print_report"]


def plain_text(report: Report) -> str:
    """The report without colour, 80 columns wide."""
    buffer = io.StringIO()
    print_report(report, Console(file=buffer, width=WIDTH, color_system=None, legacy_windows=False, force_jupyter=False))
    return buffer.getvalue().rstrip("\n")


def print_report(report: Report, console: Console, layers: bool = False) -> None:
    """Print sketch, table and summary.

    layers : of networks every claim of every layer, where the table would be a summary.
    """
    first = next(iter(report.results.values()))
    title = f"{report.study.name}: {report.study.purpose}" if report.study.purpose else report.study.name
    console.print(Text(title, style="bold"))
    methods = list(dict.fromkeys(result.method for result in report.results.values()))
    sampler = f"{' and '.join(methods)} sampler{'s' if len(methods) > 1 else ''}"
    until = ", until decided" if report.watched else ""
    sampled = f"{first.networks:,} networks per ensemble{until}, {sampler}, seed {first.seed}, {report.seconds:.1f} s"
    console.print(Text(sampled, style="dim"))
    profiles = {label: profile_of(result, label) for label, result in report.results.items() if has_profile(result)}
    if profiles:
        sketch = gradient_sketch(profiles, console)
    else:
        sketch = density_sketch(report.results, fits(console, BLOCKS), min(WIDTH, console.width))
    if sketch:
        console.print()
    for line in sketch:
        console.print(line, no_wrap=True, crop=False)
    for label, result in report.results.items():
        verdicts = [v for v in report.verdicts if v.claim.ensemble == label]
        console.print()
        if label in profiles:
            print_network(label, profiles[label], result.method if len(methods) > 1 else "", verdicts, console, layers)
            continue
        console.print(Text(label, style="bold") + Text(f"  {_described(result.ensemble)}", style="dim"))
        nonfinite = result.layers[1].counts["nonfinite"]
        if nonfinite:
            console.print(Text(f"{nonfinite:,} of {result.networks:,} networks are not finite and enter no estimate", style="red"))
        console.print(claim_table(verdicts, console))
    notes = [*legend(list(profiles.values()), report.verdicts), *parts_of_variance(report.verdicts), *_sequences(report)]
    for line in notes:
        console.print(Text(line, style="dim"))
    if report.diagnoses:
        from fanin.diagnosis_table import print_diagnoses

        print_diagnoses(report.diagnoses, console)
    console.print()
    lines = _undecided(report.verdicts, bool(profiles), layers)
    if lines and not report.watched and any(v.networks_needed is not None for v in report.verdicts):
        lines.append(_ADVICE)
    for line in lines:
        console.print(Text(line, style="yellow"))
    console.print(Text(_count_line(report)))
    console.print(Text(meaning(report, profiles), style="bold"))


def _described(ensemble: Ensemble) -> str:
    scheme, inputs = ensemble.first_scheme, ensemble.inputs
    weights = _law(scheme.weights, ensemble.weight_variance, ensemble.weight_mean)
    return f"weights {weights}, bias {_law(scheme.bias, ensemble.bias_variance, ensemble.bias_mean)}, inputs {inputs}"


def _law(law: Law | None, variance: float, mean: float) -> str:
    if law is None or (variance == 0.0 and mean == 0.0):
        return "none"
    if law.family == "constant":
        return f"{mean:.4g}" if variance == 0.0 else str(law)
    if law.family == "normal" and not law.zero:
        return f"N(0, {variance:.4g})"
    kind = (
        law.own.name
        if law.own
        else {"student": f"Student({law.shape})", "truncated": f"normal cut at {law.shape}"}.get(law.family, law.family)
    )
    return f"{kind}{f' with {law.zero:.4g} zeros' if law.zero else ''} of variance {variance:.4g}"


def parts_of_variance(verdicts: list[Verdict]) -> list[str]:
    """Which question each part of the variance answers."""
    if not any(v.claim.quantity.startswith("z.variance.given.") for v in verdicts):
        return []
    return [
        "z.variance.given.weights: how z varies over inputs in one network, on average;",
        "z.variance.given.input: how z varies over networks for one input, on average.",
    ]


def _sequences(report: Report) -> list[str]:
    """How many verdicts of a watched run rest on asymptotic sequences."""
    found = sum(is_asymptotic(verdict) for verdict in report.verdicts)
    if not found:
        return []
    return [f"{ASYMPTOTIC} {found} verdicts rest on sequences that are valid as networks grow many; the others hold at any."]


def _undecided(verdicts: list[Verdict], networks: bool, every: bool) -> list[str]:
    """What would decide the undecided claims: the first few of them."""
    lines = what_decides(verdicts)
    if networks:
        if every:
            return _all_undecided(verdicts)
        if len(lines) <= _MOST_UNDECIDED:
            return lines
        return [*lines[:_MOST_UNDECIDED], f"and {len(lines) - _MOST_UNDECIDED} more; --layers shows all"]
    return lines if len(lines) <= 8 else [*lines[:7], f"and {len(lines) - 7} more"]


def _all_undecided(verdicts: list[Verdict]) -> list[str]:
    """One line for all undecided claims, each of which has a row."""
    needed = [v.networks_needed for v in verdicts if v.verdict == UNDECIDED]
    numbers = [number for number in needed if number is not None]
    if not needed:
        return []
    most = f"; at least about {max(numbers):.2g} networks per ensemble would decide {len(numbers)} of them" if numbers else ""
    return [f"{len(needed)} claims are undecided{most}"]


def _count_line(report: Report) -> str:
    assumed = sum(v.verdict == ASSUMED for v in report.verdicts)
    total, as_expected = len(report.verdicts) - assumed, sum(v.as_expected for v in report.verdicts if v.verdict != ASSUMED)
    counted = f"{as_expected} of {total} claims as expected" + (f", {assumed} assumed by the sampler" if assumed else "")
    ever = ", whenever the run had stopped" if report.watched else ""
    return f"{counted}; the probability that any verdict is wrong is at most {report.alpha:g}{ever}."
