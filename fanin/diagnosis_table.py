"""Diagnoses as a person reads them: what was refuted, which near misses fit it, best first, and how far the next ones are."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fanin.claim_table import NARROW, number
from fanin.diagnosis import CLAIM, DEPENDENCE, DIFFERENCE, SAMPLE, Diagnosis
from fanin.trials import Candidate

_TOGETHER = 4
"""Near misses that cannot be told apart are listed up to this number."""

_FITTING, _NEAREST = 6, 2
_MOST_OFF = 20


def print_diagnoses(diagnoses: list[Diagnosis], console: Console) -> None:
    """Print every diagnosis: sentences, and a table of near misses."""
    for found in diagnoses:
        console.print()
        console.print(Text(f"why: {found.ensemble}, layer {found.layer}", style="bold"))
        for line in diagnosis_lines(found):
            console.print(Text(line))
        rows = [*found.fitting[:_FITTING], *shown_nearest(found)]
        if rows:
            console.print(_table(found, rows, console))


def diagnosis_lines(found: Diagnosis) -> list[str]:
    """What was refuted, and what fits, in plain words."""
    name, claims = found.quantity, len(found.claims)
    if found.kind == DEPENDENCE:
        which = ", ".join(found.claims[:_TOGETHER]) + (f" and {claims - _TOGETHER} more" if claims > _TOGETHER else "")
        return [
            f"What should be independent, or of one law, is not: {which}. No mistake in a specification does this: look for draws "
            "that are used twice, or for a generator or a counter that repeats."
        ]
    if found.kind == DIFFERENCE:
        return [
            f"{name} differs between two ensembles ({found.claims[0]}) for which theory says that it does not. Each of them agrees "
            "with its own theory as far as these networks tell: more networks would say which of the two is wrong."
        ]
    sampled = f"{number(found.estimate)} ({number(found.low)} to {number(found.high)})"
    specified = "" if found.specified is None else f"; of the ensemble as specified it is {number(found.specified)}"
    if found.kind == CLAIM:
        head = f"{name} is claimed to be {number(found.claimed)}, and was sampled as {sampled}{specified}. "
        if found.specified is None:
            head += "Theory says nothing of this quantity; what it does say of the ensemble agrees as far as these networks tell."
            return [head, *_what_fits(found)]
        return [f"{head}The sample agrees with the ensemble as specified: it is the claim that is wrong.", *_what_fits(found)]
    more = f" {claims - 1} more claim{'s are' if claims > 2 else ' is'} refuted." if claims > 1 else ""
    head = f"{name} was sampled as {sampled}{specified}.{more} "
    if found.against:
        head = f"{name} differs from that of {found.against} by {sampled}.{more} "
    return [f"{head}What was sampled is not the ensemble as specified.", *_what_fits(found)]


def _what_fits(found: Diagnosis) -> list[str]:
    tested = f"{found.tested} near misses" if found.tested != 1 else "one near miss"
    silent = f"; theory is silent about {found.silent} more" if found.silent else ""
    if found.fitting:
        best, rest = found.fitting[0].sentences, len(found.fitting) - 1
        alike = "" if len(best) == 1 else f" ({len(best) - 1} more cannot be told from {'this' if rest else 'it'})"
        others = f" {rest} more fit{'s' if rest == 1 else ''}." if rest else ""
        return [f"What fits: {best[0]}{alike}.{others} Tested: {tested}{silent}."]
    none = f"None of {tested} fits{silent}." if found.tested else f"There is no near miss to test{silent}."
    times = ""
    if found.kind == SAMPLE and found.specified and found.estimate:
        times = f" {found.quantity} is {found.estimate / found.specified:.4g} times what it is as specified."
    return [f"{none}{times}"]


def shown_nearest(found: Diagnosis) -> tuple[Candidate, ...]:
    """Of those that do not fit, fewer where others do."""
    return found.nearest[:_NEAREST] if found.fitting else found.nearest


def _table(found: Diagnosis, rows: list[Candidate], console: Console) -> Table:
    narrow = console.width < NARROW
    likelihood, off = ("likely", "off") if narrow else ("likelihood", "std errors off")
    if found.kind == CLAIM:
        likelihood, off = "fits", "off" if narrow else "tolerances off"
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(likelihood, no_wrap=True)
    table.add_column("value" if narrow else found.quantity, justify="right", no_wrap=True)
    table.add_column(off, max_width=_MOST_OFF, overflow="fold")
    table.add_column("near miss", ratio=1)
    for candidate in rows:
        fits = candidate in found.fitting
        value = "-" if candidate.predicted is None else number(candidate.predicted)
        where = f" {candidate.farthest}" if candidate.farthest != found.quantity and not narrow else ""
        explains = f" (explains {candidate.explains} claims)" if candidate.explains > 1 else ""
        table.add_row(
            Text(fit_word(candidate) if fits else "no", style="green" if fits else "dim"),
            value,
            f"{distance_word(candidate)}{where}",
            "; or ".join(_together(candidate, _TOGETHER if fits else 2)) + explains,
        )
    return table


def fit_word(candidate: Candidate) -> str:
    """How likely a near miss that fits is next to the best one; of a claim, that it fits."""
    if candidate.likelihood is None:
        return "yes"
    return f"{candidate.likelihood:.1g}" if candidate.likelihood >= 1e-6 else "below 1e-6"


def distance_word(candidate: Candidate) -> str:
    """The largest distance of a prediction, in standard errors, or in tolerances of a claim."""
    return f"{candidate.away:.1f}" if candidate.away < 99.95 else "100+"


def _together(candidate: Candidate, most: int) -> list[str]:
    listed = list(candidate.sentences[:most])
    return listed if len(candidate.sentences) == len(listed) else [*listed, f"{len(candidate.sentences) - len(listed)} more"]
