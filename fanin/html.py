"""Results and reports as notebooks show them: one piece of HTML, with no script and nothing fetched.

Guarantee: all text is escaped. Text takes the colour of the page and has no background of its own; the colours of verdicts are
mixed with that of the page's text, so that they are dark on a light page and light on a dark one. A verdict shows as a sign, a word
and a colour, so that none of them is needed to tell it from the others.
"""

from __future__ import annotations

import math
from html import escape

import numpy as np

from fanin.engine.accumulators import Accumulators
from fanin.html_profile import profiles
from fanin.html_text import number, short, word
from fanin.meaning import meaning
from fanin.network_table import described
from fanin.report import Report
from fanin.result import Result
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, UNDECIDED, Verdict
from fanin.table import parts_of_variance
from fanin.wide_claims import wide_claims

_STYLE = """
.fanin { line-height: 1.4; max-width: 62em; }
.fanin p { margin: 0.25em 0; }
.fanin .dim { opacity: 0.75; }
.fanin svg { max-width: 100%; height: auto; display: block; margin: 0.5em 0; }
.fanin svg text { fill: currentColor; font: 12px sans-serif; }
.fanin summary { cursor: pointer; margin-top: 0.6em; }
.fanin table { border-collapse: collapse; margin: 0.3em 0; font-variant-numeric: tabular-nums; }
.fanin th, .fanin td { text-align: right; padding: 0.15em 0.7em; white-space: nowrap; border: 0; }
.fanin sup { line-height: 0; }
.fanin thead th { border-bottom: 1px solid currentColor; }
.fanin th:first-child, .fanin td:first-child, .fanin th:last-child, .fanin td:last-child { text-align: left; }
.fanin .confirmed { color: #0a8a5f; color: color-mix(in srgb, #0a8a5f 70%, currentColor); }
.fanin .refuted { color: #d9480f; color: color-mix(in srgb, #d9480f 70%, currentColor); }
.fanin .undecided { color: #a87000; color: color-mix(in srgb, #a87000 70%, currentColor); }
.fanin .assumed { opacity: 0.75; }
.fanin .otherwise { font-weight: bold; outline: 1px solid currentColor; padding: 0 0.3em; }
"""
_CURVE, _RANGE = "#2a7fc1", "#9467bd"
_LEFT, _WIDTH, _ROW, _RIGHT = 130, 480, 46, 110
_CELLS = 160
_ALPHA = 0.01
_MOST_ROWS = 400
_COLUMNS = ("predicted", "tolerance", "estimate", "interval", "verdict")


def report_html(report: Report) -> str:
    """Title, densities, claims by ensemble, and what they mean."""
    first = next(iter(report.results.values()))
    methods = " and ".join(dict.fromkeys(result.method for result in report.results.values()))
    until = ", until decided" if report.watched else ""
    sampled = f"{first.networks:,} networks per ensemble{until}, {methods} sampler, seed {first.seed}, {report.seconds:.1f} s"
    expected = sum(verdict.as_expected for verdict in report.verdicts)
    count = (
        f"{expected} of {len(report.verdicts)} claims as expected; the probability that any verdict is wrong is at most "
        f"{report.alpha:g}." + (f" Tolerances times {report.tolerance:g}." if report.tolerance != 1.0 else "")
    )
    if assumed := sum(verdict.verdict == ASSUMED for verdict in report.verdicts):
        count += f" {assumed} of them are assumed by the conditional sampler, so that it cannot test them."
    tables = [
        (_network_claims if result.is_network else _claims)(
            label, result, [v for v in report.verdicts if v.claim.ensemble == label]
        )
        for label, result in report.results.items()
    ]
    return _page(
        f"<p><b>{escape(report.study.name)}</b>: {escape(report.study.purpose)}</p>",
        f'<p class="dim">{escape(sampled)}</p>',
        *_pictures(report.results, report.alpha, report.watched),
        *tables,
        *(f'<p class="dim">{escape(line)}</p>' for line in parts_of_variance(report.verdicts)),
        *_diagnoses(report),
        f"<p>{escape(count)}</p>",
        f"<p><b>{escape(meaning(report))}</b></p>",
        _digest(report.digest),
    )


def _diagnoses(report: Report) -> list[str]:
    """What fits the claims that are refuted."""
    if not report.diagnoses:
        return []
    from fanin.diagnosis_table import diagnosis_lines

    return [
        f"<p><b>why: {escape(found.ensemble)}, layer {found.layer}</b> {escape(' '.join(diagnosis_lines(found)))}</p>"
        for found in report.diagnoses
    ]


def result_html(result: Result) -> str:
    """What was sampled, its density or its profile, its estimates and its digest."""
    layers = list(dict.fromkeys((min(result.layers), max(result.layers))))
    found = [result.estimates(layer) for layer in layers]
    names = dict.fromkeys(name for one in found for name in one)
    rows = [
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{number(one.get(name, math.nan))}</td>' for one in found)}</tr>"
        for name in names
    ]
    heads = [f"layer {layer}" for layer in layers] if result.is_network else ["estimate"]
    sampled = f"{result.networks:,} networks, {result.method} sampler, seed {result.seed}, {result.seconds:.1f} s"
    return _page(
        f"<p><b>Result</b> of {escape(repr(result.ensemble))}</p>",
        f'<p class="dim">{escape(sampled)}</p>',
        *_pictures({"networks" if result.is_network else str(result.ensemble.scheme): result}, _ALPHA),
        f"<details><summary>{len(rows)} estimates</summary>{_table(('quantity', *heads), rows)}</details>",
        _digest(result.digest),
    )


def _pictures(results: dict[str, Result], alpha: float, watched: bool = False) -> list[str]:
    """Densities of single layers, and profiles of networks."""
    single = {label: result for label, result in results.items() if not result.is_network}
    networks = {label: result for label, result in results.items() if result.is_network}
    return ([densities(single)] if single else []) + ([profiles(networks, alpha, watched)] if networks else [])


def _table(heads: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _page(*parts: str) -> str:
    return f'<div class="fanin"><style>{_STYLE}</style>{"".join(parts)}</div>'


def _digest(digest: str) -> str:
    return f'<p class="dim">digest <code>{escape(digest)}</code></p>'


def _claims(label: str, result: Result, verdicts: list[Verdict]) -> str:
    """The claims about one ensemble. Claims of independence share a row unless they are refuted."""
    expected = sum(verdict.as_expected for verdict in verdicts)
    rows = [_claim(verdict) for verdict in verdicts if not _folds(verdict)]
    for kind in (CONFIRMED, UNDECIDED):
        if folded := sum(_folds(verdict) and verdict.verdict == kind for verdict in verdicts):
            claims = f"independence, {folded} claim{'s' if folded > 1 else ''}"
            rows.append(f'<tr><td>{claims}</td><td colspan="4"></td><td>{word(kind, kind, kind == CONFIRMED)}</td></tr>')
    return (
        f"<details open><summary><b>{escape(label)}</b>: {expected} of {len(verdicts)} claims as expected "
        f'<span class="dim">({escape(str(result.ensemble.scheme))}, inputs {escape(str(result.ensemble.inputs))})</span></summary>'
        f"{_lost(result)}{_table(('quantity', *_COLUMNS), rows)}</details>"
    )


def _lost(result: Result) -> str:
    """How many networks are not finite in the last layer."""
    nonfinite = result.layers[max(result.layers)].counts["nonfinite"]
    return f'<p class="refuted">{nonfinite:,} networks are not finite and enter no estimate</p>' if nonfinite else ""


def _network_claims(label: str, result: Result, verdicts: list[Verdict]) -> str:
    """The claims about one ensemble of networks: how many layers each verdict has, by quantity; and every claim, folded in."""
    expected = sum(verdict.as_expected for verdict in verdicts)
    counts: dict[str, dict[str, list[Verdict]]] = {}
    for verdict in verdicts:
        counts.setdefault(verdict.claim.quantity, {}).setdefault(verdict.verdict, []).append(verdict)
    words = (CONFIRMED, REFUTED, UNDECIDED, ASSUMED)
    rows = [
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{_tally(found.get(one, []))}</td>' for one in words)}<td></td></tr>"
        for name, found in counts.items()
    ]
    listed = verdicts
    if len(verdicts) > _MOST_ROWS:
        listed = [verdict for verdict in verdicts if verdict.verdict not in (CONFIRMED, ASSUMED)][:_MOST_ROWS]
    every = (
        "every claim"
        if len(listed) == len(verdicts)
        else f"{len(listed)} of {len(verdicts)} claims, the undecided and refuted first"
    )
    claims = [_claim(verdict, layer=True) for verdict in listed]
    return (
        f"<details open><summary><b>{escape(label)}</b>: {expected} of {len(verdicts)} claims as expected "
        f'<span class="dim">({escape(described(result.ensemble))}, {result.method} sampler)</span></summary>{_lost(result)}'
        f"{_table(('claims by quantity', *words, ''), rows)}{''.join(f'<p>{escape(line)}</p>' for line in wide_claims(verdicts))}"
        f"<details><summary>{every}</summary>{_table(('layer', 'quantity', *_COLUMNS), claims)}</details></details>"
    )


def _tally(verdicts: list[Verdict]) -> str:
    """How many layers have one verdict, marked where it is not as expected."""
    if not verdicts:
        return ""
    as_expected = all(verdict.as_expected for verdict in verdicts)
    return word(verdicts[0].verdict, f"{len(verdicts)}", as_expected)


def _folds(verdict: Verdict) -> bool:
    return verdict.claim.quantity.startswith("independence.") and verdict.verdict != REFUTED


def _claim(verdict: Verdict, layer: bool = False) -> str:
    claim, interval = verdict.claim, verdict.interval
    said = "refuted (expected)" if verdict.verdict == REFUTED and verdict.as_expected else verdict.verdict
    needs = ""
    if verdict.verdict == UNDECIDED:
        needed = verdict.networks_needed
        needs = ", no number seems to decide" if needed is None else f", needs {number(needed, 2)} networks"
    own = claim.id.removeprefix(f"{claim.ensemble}/{claim.layer}/{claim.quantity}").lstrip("/")
    name = f"{claim.quantity} ({own})" if own else claim.quantity
    cells = (
        number(claim.predicted),
        f"± {number(claim.tolerance, 2)}",
        number(interval.estimate),
        f"{number(interval.low, 5)} … {number(interval.high, 5)}",
        word(verdict.verdict, said, verdict.as_expected) + needs,
    )
    first = f"<td>{claim.layer}</td>" if layer else ""
    return f'<tr title="{escape(claim.source)}">{first}<td>{escape(name)}</td>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def densities(results: dict[str, Result]) -> str:
    """The sampled density of z of each ensemble on one axis, over the range in which the neuron is not saturated."""
    deviations = [math.sqrt(max(result.estimates()["z.variance"], 0.0)) for result in results.values()]
    end = 3.0 * max((deviation for deviation in deviations if math.isfinite(deviation)), default=1.0) or 1.0
    height = _ROW * len(results)
    parts = []
    for row, (label, result) in enumerate(results.items()):
        size = min(ACTIVATIONS[str(result.ensemble.activation)].level_size(0.01), end)
        base, half = _ROW * (row + 1), size / end * _WIDTH / 2
        left = _LEFT + _WIDTH / 2 - half
        share = result.estimates()["phi.saturated"]
        saturated = "?" if math.isnan(share) else f"{100 * share:.2g}"
        box = f'x="{left:.1f}" y="{base - _ROW + 4}" width="{2 * half:.1f}" height="{_ROW - 4}"'
        parts += [
            f'<rect {box} fill="{_RANGE}" opacity="0.28"/>',
            f'<path d="{_outline(result, end, base, _ROW - 8)}" fill="{_CURVE}" fill-opacity="0.75" stroke="{_CURVE}"/>',
            f'<text x="{_LEFT - 8}" y="{base - 6}" text-anchor="end">{escape(short(label))}</text>',
            f'<text x="{_LEFT + _WIDTH + 8}" y="{base - 6}">{saturated} % saturated</text>',
        ]
    axis = f'<path d="M{_LEFT} {height}h{_WIDTH}" stroke="currentColor" fill="none"/>'
    ticks = "".join(
        f'<path d="M{_LEFT + _WIDTH * at:.1f} {height}v4" stroke="currentColor"/>'
        f'<text x="{_LEFT + _WIDTH * at:.1f}" y="{height + 17}" text-anchor="{anchor}">{text}</text>'
        for at, anchor, text in ((0.0, "middle", f"−{end:.3g}"), (0.5, "middle", "z = 0"), (1.0, "middle", f"{end:.3g}"))
    )
    key = (
        f'<rect x="{_LEFT}" y="{height + 26}" width="12" height="10" fill="{_RANGE}" opacity="0.28"/>'
        f'<text x="{_LEFT + 18}" y="{height + 35}">linear range: activation not within 1 % of an end of its range</text>'
    )
    full = _LEFT + _WIDTH + _RIGHT
    return (
        f'<svg viewBox="0 0 {full} {height + 42}" width="{full}" height="{height + 42}" role="img" '
        f'aria-label="Sampled density of z of each ensemble">{"".join(parts)}{axis}{ticks}{key}</svg>'
    )


def _outline(result: Result, end: float, base: int, height: int) -> str:
    """The density as steps between recorded edges, its highest step of the given height."""
    layer = result.layers[1]
    if not isinstance(layer, Accumulators) or layer.finite == 0:
        return ""
    histogram = result.histogram(bins=np.linspace(-end, end, _CELLS + 1).tolist())
    density = histogram.density()
    top = density.max() or 1.0
    x = (_LEFT + (histogram.edges.clip(-end, end) / end + 1.0) * _WIDTH / 2).round(1)
    y = (base - density / top * height).round(1)
    steps = "".join(f"V{level:g}H{right:g}" for level, right in zip(y, x[1:], strict=True))
    return f"M{x[0]:g} {base}{steps}V{base}Z"
