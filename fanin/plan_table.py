"""A plan as a person reads it: a row for each claim, and what the whole run takes."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fanin.claim_table import NARROW, number
from fanin.run_planning import Plan, PlannedClaim
from fanin.table import WIDTH

_FOLDED = "independence."


def plain_text(plan: Plan) -> str:
    """The plan without colour, 80 columns wide."""
    buffer = io.StringIO()
    print_plan(plan, Console(file=buffer, width=WIDTH, color_system=None, legacy_windows=False, force_jupyter=False))
    return buffer.getvalue().rstrip("\n")


def print_plan(plan: Plan, console: Console, layers: bool = False) -> None:
    """Print table and summary.

    layers : of networks every claim of every layer; by default of each quantity the layer that needs most.
    """
    console.print(Text(f"{plan.study.name}: {plan.study.purpose}".removesuffix(": "), style="bold"))
    kind = "a run until decided" if plan.watched else "a run"
    measured = f"for {kind} of {plan.networks:,} networks per ensemble, measured with {plan.pilot:,} on {_threads(plan.threads)}"
    console.print(Text(measured, style="dim"))
    for label in plan.study.ensembles:
        rows = [planned for planned in plan.claims if planned.claim.ensemble == label]
        if rows:
            console.print()
            console.print(Text(label, style="bold") + Text(f"  {number(plan.rates[label], 3)} networks/s", style="dim"))
            console.print(_table(rows if layers else _hardest(rows), console, len({row.claim.layer for row in rows}) > 1))
    console.print()
    for line in summary(plan):
        console.print(Text(line))


def summary(plan: Plan) -> list[str]:
    """What all claims together need, and what a run of the planned size takes."""
    never = [planned for planned in plan.claims if planned.needed is None]
    lines = []
    if never:
        others = f", and {len(never) - 1} more," if len(never) > 1 else ""
        lost = "; networks are lost to overflow, or their z to underflow" if any(planned.lost for planned in never) else ""
        lines.append(f"No number of networks decides {never[0].claim.id}{others} within the tolerance{lost}.")
    for planned in plan.claims:
        if planned.word != planned.claim.expected and planned.needed is not None:
            lines.append(f"{planned.claim.id} will be {planned.word}: theory says {number(planned.truth)}.")
    hardest = max(
        (planned for planned in plan.claims if planned.networks_of_all is not None),
        key=lambda planned: planned.networks_of_all or 0,
        default=None,
    )
    if hardest is not None and hardest.networks_of_all is not None:
        what = "All claims" if not never else "All others"
        most = hardest.networks_of_all
        lines.append(
            f"{what} are decided with probability 0.9 by {most:.2g} networks per ensemble, in about "
            f"{duration(plan.seconds(most))}; {hardest.claim.id} needs the most."
        )
    lines.append(f"{plan.networks:,} networks per ensemble take about {duration(plan.seconds(plan.networks))} on this machine.")
    return lines


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(0.004), duration(75), duration(4000), duration(2e6)
    ('0.004 s', '1.2 min', '1.1 h', '23 days')
    """
    for unit, name in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds:.2g} s"


def _table(rows: Iterable[PlannedClaim], console: Console, layers: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    if layers:
        table.add_column("layer", justify="right", no_wrap=True)
    table.add_column("quantity", overflow="fold", min_width=20)
    wide = console.width >= NARROW
    for column in ("tolerance", *(["detects"] if wide else []), "networks", *(["time"] if wide else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        claim = row.claim
        own = claim.id.removeprefix(f"{claim.ensemble}/{claim.layer}/{claim.quantity}").lstrip("/")
        cells = [f"{claim.quantity} ({own})" if own else claim.quantity, number(claim.tolerance, 2)]
        cells += [number(row.smallest_detectable, 2)] if wide else []
        cells += ["none" if row.needed is None else f"{row.needed:.2g}"]
        cells += [("" if row.seconds is None else duration(row.seconds))] if wide else []
        table.add_row(*([str(claim.layer)] if layers else []), *cells)
    return table


def _hardest(rows: list[PlannedClaim]) -> list[PlannedClaim]:
    """Of each quantity the layer that needs most, and of all claims of independence the one."""
    found: dict[str, PlannedClaim] = {}
    for row in rows:
        own = row.claim.id.rpartition("/")[2]
        name = _FOLDED if row.claim.quantity.startswith(_FOLDED) else f"{row.claim.quantity} {own}"
        if name not in found or _order(row) > _order(found[name]):
            found[name] = row
    return list(found.values())


def _order(row: PlannedClaim) -> float:
    return float("inf") if row.needed is None else row.needed


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count != 1 else ''}"
