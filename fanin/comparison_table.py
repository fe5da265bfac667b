"""A comparison as a person reads it: a table for each pair of ensembles, what is undecided, and one line in plain words."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fanin.claim_table import NARROW, SLIM, fits, number
from fanin.comparison import DIFFERENT, EQUAL, Compared, Comparison
from fanin.comparison_sides import Pairing, Side
from fanin.network_table import described
from fanin.stats.verdict import UNDECIDED
from fanin.table import WIDTH

_STYLES = {EQUAL: "green", DIFFERENT: "bold red", UNDECIDED: "yellow"}
_MOST_UNDECIDED = 8


def plain_text(comparison: Comparison) -> str:
    """The comparison without colour, 80 columns wide."""
    buffer = io.StringIO()
    print_comparison(comparison, Console(file=buffer, width=WIDTH, color_system=None, legacy_windows=False, force_jupyter=False))
    return buffer.getvalue().rstrip("\n")


def print_comparison(comparison: Comparison, console: Console, layers: bool = False) -> None:
    """Print tables and summary.

    layers : of networks every layer; by default of each quantity the layer that differs most or is least decided.
    """
    a, b = comparison.a, comparison.b
    console.print(Text(f"{a.name} (A) against {b.name} (B)", style="bold"))
    for line in _runs(a, b):
        console.print(Text(line, style="dim"))
    for pair in comparison.pairs:
        rows = [one for one in comparison.found if one.pair == pair.label]
        console.print()
        _print_head(pair, comparison, console)
        if rows:
            console.print(_table(rows, console, layers))
    for line in _notes(comparison, layers, console.width >= NARROW):
        console.print(Text(line, style="dim"))
    console.print()
    for line in _undecided(comparison):
        console.print(Text(line, style="yellow"))
    console.print(Text(count_line(comparison)))
    console.print(Text(in_words(comparison), style="bold"))


def _runs(a: Side, b: Side) -> list[str]:
    """How the sides were sampled: in one line where both were in the same way."""
    said = [_run(side) for side in (a, b)]
    return [f"both {said[0]}"] if said[0] == said[1] else [f"{letter}: {text}" for letter, text in zip("AB", said, strict=True)]


def _run(side: Side) -> str:
    methods = list(dict.fromkeys(result.method for result in side.results.values()))
    until = ", until decided" if side.watched else ""
    samplers = f"{' and '.join(methods)} sampler{'s' if len(methods) > 1 else ''}"
    return f"{side.networks:,} networks per ensemble{until}, {samplers}, seed {side.seed}"


def _print_head(pair: Pairing, comparison: Comparison, console: Console) -> None:
    sides = (comparison.a, comparison.b)
    if len(comparison.pairs) > 1:
        console.print(Text(pair.label, style="bold"))
    results = [side.results[label] for side, label in zip(sides, (pair.a, pair.b), strict=True)]
    said = [described(result.ensemble) for result in results]
    for letter, text in [("A and B", said[0])] if said[0] == said[1] else zip("AB", said, strict=True):
        console.print(Text(f"{letter}: {text}", style="dim"))
    for letter, result in zip("AB", results, strict=True):
        if lost := max(kept.counts["nonfinite"] for kept in result.layers.values()):
            console.print(Text(f"{lost:,} of {result.networks:,} networks of {letter} are not finite", style="red"))


def _table(rows: list[Compared], console: Console, every: bool) -> Table:
    wide, several = console.width >= NARROW, len({one.layer for one in rows}) > 1
    halves = wide and not several
    unicode = fits(console, "±×")
    times = "×" if unicode else "x"
    name = (18 if wide else 16) if several else 20
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("quantity", overflow="fold", min_width=name)
    if several:
        table.add_column("layer", justify="right", no_wrap=True)
    columns = ["A", "B"] if wide else []
    roomy = console.width >= SLIM
    columns += [f"A-B, {times} A/B", *(["±" if unicode else "+-"] if halves else []), "effect"] if roomy else []
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for one in rows if every else telling(rows):
        interval = one.judged.interval
        half = max(interval.high - interval.estimate, interval.estimate - interval.low)
        cells = [_folded(one.quantity, name), *([str(one.layer)] if several else [])]
        cells += [number(one.a, 4), number(one.b, 4)] if wide else []
        cells += [_shown(one, times), *([number(half, 2)] if halves else []), _effect(one.effect)] if roomy else []
        word = Text(one.verdict, style=_STYLES[one.verdict])
        if wide and several and not every:
            word.append(f" {_tally(one, rows)}")
        table.add_row(*cells, word)
    return table


def _folded(name: str, most: int) -> str:
    """A name that is too long, in two lines."""
    at = name.rfind("[" if "[" in name else ".")
    return name if len(name) <= most else f"{name[:at]}\n  {name[at:]}"


def _effect(value: float) -> str:
    return number(value, 2) if not abs(value) < 0.1 else f"{value:.3f}".replace("-0.000", "0.000")


def _shown(one: Compared, times: str) -> str:
    """The difference, or the ratio of a scale."""
    difference = one.judged.interval.estimate
    return f"{times}{number(1.0 + difference, 4)}" if one.scale else number(difference, 3)


def _tally(one: Compared, rows: Iterable[Compared]) -> str:
    """In how many of its layers a quantity has the verdict."""
    words = [other.verdict for other in rows if other.quantity == one.quantity]
    return f"{words.count(one.verdict)}/{len(words)}"


def telling(rows: list[Compared]) -> list[Compared]:
    """Of each quantity the layer that differs most; where none does, the one that is least decided."""
    found: dict[str, Compared] = {}
    for one in rows:
        if one.quantity not in found or _weight(one) > _weight(found[one.quantity]):
            found[one.quantity] = one
    return list(found.values())


def _weight(one: Compared) -> tuple[int, float]:
    order = (EQUAL, UNDECIDED, DIFFERENT).index(one.verdict)
    if one.verdict == UNDECIDED:
        interval = one.judged.interval
        return order, max(abs(interval.low), abs(interval.high)) / one.judged.claim.tolerance
    return order, _size(one)


def _size(one: Compared) -> float:
    """Of the effect; infinite where it has no unit, as both sides are constant."""
    if one.effect != one.effect:
        return float("inf") if one.verdict == DIFFERENT else 0.0
    return abs(one.effect)


def _notes(comparison: Comparison, layers: bool, wide: bool) -> list[str]:
    lines = ["effect: A - B in standard deviations of one network"]
    if not layers and len({one.layer for one in comparison.found}) > 1:
        share = ", and in how many the verdict is the same" if wide else ""
        lines.append(f"of each quantity the layer that differs most or is least decided{share}; --layers shows all")
    if comparison.coarse:
        places = sorted({f"{one.quantity}" for one in comparison.coarse})
        lines.append(f"left out, as bins are wider than the tolerance: {', '.join(places)} ({len(comparison.coarse)} in all)")
    if comparison.watched:
        lines.append("a run was watched, so that every interval holds at all sizes at once")
    return [*lines, *comparison.notes]


def _undecided(comparison: Comparison) -> list[str]:
    found = [one for one in comparison.found if one.verdict == UNDECIDED]
    needed = [number for one in found if (number := one.judged.networks_needed) is not None]
    lines = []
    if needed:
        some = f"{len(needed)} of the {len(found)}" if len(needed) < len(found) else f"the {len(found)}"
        lines.append(f"at least about {max(needed):.2g} networks per ensemble would decide {some} that are undecided")
    if never := [one for one in found if one.judged.networks_needed is None]:
        names = list(dict.fromkeys(one.quantity for one in never))
        more = f" and {len(names) - _MOST_UNDECIDED} more" if len(names) > _MOST_UNDECIDED else ""
        lines.append(f"no number of networks seems to decide {', '.join(names[:_MOST_UNDECIDED])}{more}")
    return lines


def count_line(comparison: Comparison) -> str:
    """How many are equal, different and undecided, and how sure that is."""
    words = [one.verdict for one in comparison.found]
    counted = f"{words.count(EQUAL)} of {len(words)} quantities equal, {words.count(DIFFERENT)} different"
    counted += f", {words.count(UNDECIDED)} undecided" if UNDECIDED in words else ""
    ever = ", whenever the runs had stopped" if comparison.watched else ""
    return f"{counted}; the probability that any verdict is wrong is at most {comparison.alpha:g}{ever}."


def in_words(comparison: Comparison) -> str:
    """What differs most, and where."""
    different = [one for one in comparison.found if one.verdict == DIFFERENT]
    if different:
        most = max(different, key=_size)
        place = f" in layer {most.layer}" if len({one.layer for one in comparison.found}) > 1 else ""
        place += f" of {most.pair}" if len(comparison.pairs) > 1 else ""
        return f"A and B differ, most in {most.quantity}{place}: {_sentence(most)}."
    undecided = sum(one.verdict == UNDECIDED for one in comparison.found)
    if undecided:
        return f"Nothing is known to differ, and {undecided} quantities are undecided at this number of networks."
    return f"A and B are equal within the tolerance in all {len(comparison.found)} quantities."


def _sentence(one: Compared) -> str:
    effect = "" if one.effect != one.effect else f", {abs(one.effect):.2g} standard deviations of one network apart"
    if one.scale and one.a > 0.0 and one.b > 0.0:
        larger, smaller = ("A", "B") if one.a > one.b else ("B", "A")
        ratio = max(one.a, one.b) / min(one.a, one.b)
        return f"that of {larger} is {ratio:.4g} times that of {smaller}{effect}"
    return f"{one.a:.4g} against {one.b:.4g}{effect}"
