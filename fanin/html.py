"""Results and reports as notebooks show them: one piece of HTML, with no script and nothing fetched.

Guarantee: all text is escaped. Text takes the colour of the page and has no background of its own; the colours of verdicts are
mixed with that of the page's text, so that they are dark on a light page and light on a dark one. A verdict shows as a sign, a word
and a colour, so that none of them is needed to tell it from the others.
"""

from __future__ import annotations

import math
from html import escape

import numpy as np

from fanin.report import Report
from fanin.result import Result
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Verdict
from fanin.table import meaning, parts_of_variance

_SIGNS = {CONFIRMED: "✓", REFUTED: "✗", UNDECIDED: "?"}
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
.fanin .otherwise { font-weight: bold; outline: 1px solid currentColor; padding: 0 0.3em; }
"""
_CURVE, _RANGE = "#2a7fc1", "#9467bd"
_LEFT, _WIDTH, _ROW, _RIGHT = 130, 480, 46, 110
_CELLS = 160


def report_html(report: Report) -> str:
    """Title, densities, claims by ensemble, and what they mean."""
    first = next(iter(report.results.values()))
    sampled = f"{first.networks:,} networks per ensemble, {first.method} sampler, seed {first.seed}, {report.seconds:.1f} s"
    expected = sum(verdict.as_expected for verdict in report.verdicts)
    count = (
        f"{expected} of {len(report.verdicts)} claims as expected; the probability that any verdict is wrong is at most "
        f"{report.alpha:g}." + (f" Tolerances times {report.tolerance:g}." if report.tolerance != 1.0 else "")
    )
    tables = [
        _claims(label, result, [v for v in report.verdicts if v.claim.ensemble == label])
        for label, result in report.results.items()
    ]
    return _page(
        f"<p><b>{escape(report.study.name)}</b>: {escape(report.study.purpose)}</p>",
        f'<p class="dim">{escape(sampled)}</p>',
        densities(report.results),
        *tables,
        *(f'<p class="dim">{escape(line)}</p>' for line in parts_of_variance(report.verdicts)),
        f"<p>{escape(count)}</p>",
        f"<p><b>{escape(meaning(report))}</b></p>",
        _digest(report.digest),
    )


def result_html(result: Result) -> str:
    """What was sampled, its density, its estimates and its digest."""
    rows = [f"<tr><td>{escape(name)}</td><td>{_number(value)}</td></tr>" for name, value in result.estimates().items()]
    sampled = f"{result.networks:,} networks, {result.method} sampler, seed {result.seed}, {result.seconds:.1f} s"
    return _page(
        f"<p><b>Result</b> of {escape(repr(result.ensemble))}</p>",
        f'<p class="dim">{escape(sampled)}</p>',
        densities({str(result.ensemble.scheme): result}),
        f"<details><summary>{len(rows)} estimates</summary><table><thead><tr><th>quantity</th><th>estimate</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></details>",
        _digest(result.digest),
    )


def _page(*parts: str) -> str:
    return f'<div class="fanin"><style>{_STYLE}</style>{"".join(parts)}</div>'


def _digest(digest: str) -> str:
    return f'<p class="dim">digest <code>{escape(digest)}</code></p>'


def _claims(label: str, result: Result, verdicts: list[Verdict]) -> str:
    """The claims about one ensemble. Claims of independence share a row unless they are refuted."""
    expected = sum(verdict.as_expected for verdict in verdicts)
    rows = [_claim(verdict) for verdict in verdicts if not _folds(verdict)]
    for word in (CONFIRMED, UNDECIDED):
        if folded := sum(_folds(verdict) and verdict.verdict == word for verdict in verdicts):
            claims = f"independence, {folded} claim{'s' if folded > 1 else ''}"
            rows.append(f'<tr><td>{claims}</td><td colspan="4"></td><td>{_word(word, word, word == CONFIRMED)}</td></tr>')
    nonfinite = result.layers[1].counts["nonfinite"]
    note = f'<p class="refuted">{nonfinite:,} networks are not finite and enter no estimate</p>' if nonfinite else ""
    head = "".join(f"<th>{name}</th>" for name in ("quantity", "predicted", "tolerance", "estimate", "interval", "verdict"))
    return (
        f"<details open><summary><b>{escape(label)}</b>: {expected} of {len(verdicts)} claims as expected "
        f'<span class="dim">({escape(str(result.ensemble.scheme))}, inputs {escape(str(result.ensemble.inputs))})</span></summary>'
        f"{note}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
    )


def _folds(verdict: Verdict) -> bool:
    return verdict.claim.quantity.startswith("independence.") and verdict.verdict != REFUTED


def _claim(verdict: Verdict) -> str:
    claim, interval = verdict.claim, verdict.interval
    word = "refuted (expected)" if verdict.verdict == REFUTED and verdict.as_expected else verdict.verdict
    needs = ""
    if verdict.verdict == UNDECIDED:
        needs = ", no number seems to decide" if verdict.needed is None else f", needs {_number(verdict.needed, 2)} networks"
    own = claim.id.removeprefix(f"{claim.ensemble}/{claim.layer}/{claim.quantity}").lstrip("/")
    name = f"{claim.quantity} ({own})" if own else claim.quantity
    cells = (
        _number(claim.predicted),
        f"± {_number(claim.tolerance, 2)}",
        _number(interval.estimate),
        f"{_number(interval.low, 5)} … {_number(interval.high, 5)}",
        _word(verdict.verdict, word, verdict.as_expected) + needs,
    )
    return f'<tr title="{escape(claim.source)}"><td>{escape(name)}</td>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _word(verdict: str, word: str, as_expected: bool) -> str:
    """Sign, word and colour of a verdict; one that is as it should be has the colour of what is confirmed."""
    style = CONFIRMED if as_expected else verdict
    marked = "" if as_expected or verdict == UNDECIDED else " otherwise"
    return f'<span class="{style}{marked}">{_SIGNS[verdict]} {escape(word)}</span>'


def _number(value: float, digits: int = 6) -> str:
    """A number with powers of ten as people write them."""
    if not math.isfinite(value):
        return "?" if math.isnan(value) else ("∞" if value > 0.0 else "−∞")
    mantissa, _, exponent = f"{value:.{digits}g}".replace("-", "−", 1 if value < 0.0 else 0).partition("e")
    return mantissa if not exponent else f"{mantissa}·10<sup>{str(int(exponent)).replace('-', '−')}</sup>"


def densities(results: dict[str, Result]) -> str:
    """The sampled density of z of each ensemble on one axis, over the range in which the neuron is not saturated."""
    deviations = [math.sqrt(max(result.estimates()["z.variance"], 0.0)) for result in results.values()]
    end = 3.0 * max((deviation for deviation in deviations if math.isfinite(deviation)), default=1.0) or 1.0
    height = _ROW * len(results)
    parts = []
    for row, (label, result) in enumerate(results.items()):
        size = min(ACTIVATIONS[result.ensemble.activation].level_size(0.01), end)
        base, half = _ROW * (row + 1), size / end * _WIDTH / 2
        left = _LEFT + _WIDTH / 2 - half
        share = result.estimates()["phi.saturated"]
        saturated = "?" if math.isnan(share) else f"{100 * share:.2g}"
        box = f'x="{left:.1f}" y="{base - _ROW + 4}" width="{2 * half:.1f}" height="{_ROW - 4}"'
        parts += [
            f'<rect {box} fill="{_RANGE}" opacity="0.28"/>',
            f'<path d="{_outline(result, end, base, _ROW - 8)}" fill="{_CURVE}" fill-opacity="0.75" stroke="{_CURVE}"/>',
            f'<text x="{_LEFT - 8}" y="{base - 6}" text-anchor="end">{escape(_short(label))}</text>',
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


def _short(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:19]}…"


def _outline(result: Result, end: float, base: int, height: int) -> str:
    """The density as steps between recorded edges, its highest step of the given height."""
    if result.layers[1].finite == 0:
        return ""
    histogram = result.histogram(bins=np.linspace(-end, end, _CELLS + 1).tolist())
    density = histogram.density()
    top = density.max() or 1.0
    x = (_LEFT + (histogram.edges.clip(-end, end) / end + 1.0) * _WIDTH / 2).round(1)
    y = (base - density / top * height).round(1)
    steps = "".join(f"V{level:g}H{right:g}" for level, right in zip(y, x[1:], strict=True))
    return f"M{x[0]:g} {base}{steps}V{base}Z"
