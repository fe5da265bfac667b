"""Initialization schemes as tables: all of them by name, or the numbers of one for given fans."""

from __future__ import annotations

import math

from rich.table import Table

from fanin.engine.recipes import SCHEMES
from fanin.engine.schemes import Law, Scheme

_LEAST_WIDTH = 120


def table(width: int) -> Table | str:
    """All named schemes: law and variance of the weights, law of the bias, source, and what the name means there.

    In fewer columns than a table needs, as a list.
    """
    if width < _LEAST_WIDTH:
        return "\n\n".join(
            f"{scheme.name}\n  weights {scheme.weights}, variance {variance_formula(scheme.weights)}\n"
            f"  {f'bias {scheme.bias}' if scheme.bias else 'no bias'}\n  {_source(scheme)}"
            for scheme in SCHEMES.values()
        )
    rows = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in ("scheme", "weights", "variance", "bias"):
        rows.add_column(column, no_wrap=True)
    rows.add_column("source and note", overflow="fold", min_width=24)
    for scheme in SCHEMES.values():
        bias = str(scheme.bias) if scheme.bias else "none"
        rows.add_row(scheme.name, str(scheme.weights), variance_formula(scheme.weights), bias, _source(scheme))
    return rows


def _source(scheme: Scheme) -> str:
    return f"{scheme.source}; {scheme.note}" if scheme.note else scheme.source


def variance_formula(law: Law) -> str:
    """The variance of one draw for fan-in n and fan-out m.

    >>> from fanin.engine.schemes import parse_law
    >>> [variance_formula(parse_law(text)) for text in ("normal:1/fan_avg", "truncated:1/fan_in,raw", "uniform:0.5")]
    ['2/(n+m)', '0.773741/n', '0.25']
    """
    over = {None: "", "fan_in": "n", "fan_out": "m", "fan_avg": "(n+m)", "fan_max": "max(n,m)"}[law.over]
    gain = law.variance(1, 1) * (2.0 if law.over == "fan_avg" else 1.0)
    if not over:
        return f"{gain:.6g}"
    parts = round(1.0 / gain) if 0.0 < gain < 1.0 else 1
    return f"1/({parts}{over})" if parts > 1 and abs(parts * gain - 1.0) < 1e-12 else f"{gain:.6g}/{over}"


def numbers(scheme: Scheme, fan_in: int | None, fan_out: int) -> Table:
    """The scheme, and with a fan-in its variances and standard deviations."""
    rows = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    rows.add_row("scheme", str(scheme))
    rows.add_row("weights", str(scheme.weights))
    rows.add_row("weight variance", variance_formula(scheme.weights))
    rows.add_row("bias", str(scheme.bias) if scheme.bias else "none")
    if scheme.source:
        rows.add_row("source", scheme.source)
    if scheme.note:
        rows.add_row("note", scheme.note)
    if fan_in is None:
        return rows
    rows.add_row("fan-in, fan-out", f"{fan_in}, {fan_out}")
    for name, law in (("weight", scheme.weights), ("bias", scheme.bias)):
        if law is not None:
            variance = law.variance(fan_in, fan_out)
            rows.add_row(f"{name} variance there", f"{variance:.10g}")
            rows.add_row(f"{name} standard deviation", f"{math.sqrt(variance):.10g}")
            if mean := law.mean(fan_in, fan_out):
                rows.add_row(f"{name} mean", f"{mean:.10g}")
            if (limit := _limit(law, fan_in, fan_out)) is not None:
                rows.add_row(f"{name} limit", f"{limit:.10g}")
    square = scheme.weights.variance(fan_in, fan_out) + scheme.weights.mean(fan_in, fan_out) ** 2
    rows.add_row("E w^2 times fan-in", f"{square * fan_in:.10g}")
    return rows


def _limit(law: Law, fan_in: int, fan_out: int) -> float | None:
    """The largest size of a parameter, where there is one."""
    parent = abs(law.parent_std(fan_in, fan_out))
    factors = {"uniform": math.sqrt(3.0), "truncated": law.shape or 0.0, "constant": 1.0, "rademacher": 1.0}
    return parent * factors[law.family] if law.family in factors else None
