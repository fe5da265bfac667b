"""What `fanin theory` prints: one table of layers, one of fixed points, depth scales, the edge of chaos, and a line in plain words.

All text is ASCII and 80 columns wide where no terminal says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

import fanin
from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.flat_share import flat_share
from fanin.stats.mean_field import (
    DepthScales,
    EdgeOfChaos,
    FixedPoints,
    LayerTheory,
    depth_scales,
    edge_of_chaos,
    fixed_points,
    propagate,
)
from fanin.stats.theory_value import Predicted

WIDTH = 80
FLAT = 0.01
_NARROW = 76
_ALL_UP_TO = 12
_STYLES = {"stable": "green", "unstable": "red", "neutral": "yellow"}


@dataclass(frozen=True)
class TheoryReport:
    """The theory of a network of equal layers. scales : None where no fixed point, or more than one, is stable."""

    activation: str
    weight_std: float
    bias_std: float
    input_square: float
    correlation: float
    at_edge: bool
    layers: list[LayerTheory]
    flat: list[float]
    points: FixedPoints
    scales: DepthScales | None
    edge: EdgeOfChaos

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON without NaN or infinities."""
        scales = self.scales
        return {
            "fanin": fanin.__version__,
            "activation": self.activation,
            "weight_std": self.weight_std,
            "bias_std": self.bias_std,
            "input_square": self.input_square,
            "input_correlation": self.correlation,
            "at_edge": self.at_edge,
            "layers": [_layer_dict(layer, flat) for layer, flat in zip(self.layers, self.flat, strict=True)],
            "fixed_points": [_plain(point.__dict__) for point in self.points.points],
            "fate": self.points.sentence,
            "depth_scales": None
            if scales is None
            else _plain({"q_star": scales.q_star, "chi": scales.chi, "phase": scales.phase})
            | {name: _predicted(getattr(scales, name)) for name in ("xi_q", "c_star", "xi_c")},
            "edge_of_chaos": self.edge.to_dict() | {"points": [_plain(point.__dict__) for point in self.edge.points]},
        }


def collect(
    activation: str | ActivationFunction,
    *,
    weight_std: float | None = None,
    bias_std: float = 0.0,
    depth: int = 10,
    input_square: float = 1.0,
    correlation: float = 0.5,
) -> TheoryReport:
    """Everything that is printed; weight_std None is the edge of chaos, or 1 where there is none."""
    function = find_activation(activation)
    edge = edge_of_chaos(function, bias_std=bias_std)
    at_edge = weight_std is None and edge.weight_std is not None
    if weight_std is None:
        weight_std = 1.0 if edge.weight_std is None else edge.weight_std
    points = fixed_points(function, weight_std, bias_std)
    layers = propagate(function, weight_std, bias_std, depth=depth, input_square=input_square, correlation=correlation)
    flat = [flat_share(function, layer.q.value, FLAT).value for layer in layers]
    try:
        scales = depth_scales(function, weight_std, bias_std)
    except SpecificationError:
        scales = None  # no stable fixed point, or several: the sentence on the fixed points says so
    return TheoryReport(function.name, weight_std, bias_std, input_square, correlation, at_edge, layers, flat, points, scales, edge)


def print_theory(report: TheoryReport, console: Console | None = None, every: bool = False) -> None:
    """Print the report; every : all layers instead of a selection."""
    if console is None:
        console = _Output(highlight=False)
        console = console if console.is_terminal else _Output(highlight=False, width=WIDTH)
    say = lambda text, style="": console.print(Text(text, style=style))  # noqa: E731
    weights = f"weight_std {report.weight_std:.10g}, bias_std {report.bias_std:g}"
    say(f"{report.activation}: {weights}", "bold")
    if report.at_edge:
        say("weight_std is that of the edge of chaos", "dim")
    inputs = f"|x|^2/fan-in {report.input_square:g}, two inputs of correlation {report.correlation:g}"
    say(f"{len(report.layers)} layers; {inputs}", "dim")
    console.print()
    console.print(_layer_table(report, every, console.width))
    console.print()
    for line in _LEGEND:
        say(line, "dim")
    console.print()
    if report.points.points:
        console.print(_point_table(report.points))
    say(report.points.sentence)
    for line in _scale_lines(report.scales):
        say(line)
    say(report.edge.sentence)
    console.print()
    say(meaning(report), "bold")


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


_LEGEND = (
    "variance: of the pre-activation z; flat: share of neurons with |phi'| < 0.01.",
    "chi: factor of the mean-square gradient from the next layer back to this one.",
    "slope: derivative of the next variance in this one.",
    "gradient: mean square of delta, relative to that of the last layer.",
    "corr: correlation of the pre-activations of the two inputs.",
    "exact: at any width; limit: of infinite width, the next term is of order 1/n.",
)


def _layer_table(report: TheoryReport, every: bool, width: int) -> Table:
    wide = width >= _NARROW
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    names = ["layer", "variance", "flat", "chi", "slope", "gradient", "corr"]
    hidden = () if wide else ("flat", "slope")
    for name in names:
        if name not in hidden:
            table.add_column(name, justify="right", no_wrap=True, overflow="crop")
    table.add_column("variance is", no_wrap=True, overflow="crop")
    shown = _shown(len(report.layers), every)
    before = 0
    for layer in shown:
        if layer > before + 1:
            table.add_row("...")
        before = layer
        row, flat = report.layers[layer - 1], report.flat[layer - 1]
        cells = {
            "layer": str(layer),
            "variance": _number(row.q.value, 8),
            "flat": f"{flat:.4f}",
            "chi": _cell(row.chi),
            "slope": _cell(row.slope),
            "gradient": _number(row.gradient.value, 4),
            "corr": "" if row.correlation is None else f"{row.correlation.value:.6f}",
        }
        table.add_row(*(text for name, text in cells.items() if name not in hidden), row.q.label)
    return table


def _shown(depth: int, every: bool) -> list[int]:
    """Layers 1, 2, 3, 5, 10, 20, 50, ... and the last one, or all."""
    if every or depth <= _ALL_UP_TO:
        return list(range(1, depth + 1))
    steps = {1, 2, 3, 5} | {step * 10**power for power in range(1, 5) for step in (1, 2, 5)}
    return sorted({step for step in steps if step < depth} | {depth})


def _cell(value: Predicted | None) -> str:
    return "" if value is None else _number(value.value, 5)


def _number(value: float, digits: int) -> str:
    """A number in at most 10 characters."""
    text = f"{value:.{digits}g}"
    return text if len(text) <= 10 else f"{value:.4g}"


def _point_table(points: FixedPoints) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("fixed point q*", "chi", "slope"):
        table.add_column(name, justify="right", no_wrap=True, overflow="crop")
    table.add_column("is", no_wrap=True)
    for point in points.points:
        word = Text(point.stability, style=_STYLES[point.stability])
        table.add_row(f"{point.q:.10g}", f"{point.chi:.8g}", f"{point.slope:.8g}", word)
    return table


def _scale_lines(scales: DepthScales | None) -> list[str]:
    """Depth scales in words."""
    if scales is None:
        return []
    lines = [f"Deviations of the variance fall e-fold in {_layers(scales.xi_q.value)} (xi_q)."]
    if scales.c_star is None or scales.xi_c is None:
        return [*lines, "All pre-activations fall to 0; a correlation has no fixed point of its own there."]
    phase = {"ordered": "chi < 1, ordered", "chaotic": "chi > 1, chaotic", "edge": "chi = 1, the edge of chaos"}[scales.phase]
    correlation = f"two inputs end at correlation {scales.c_star.value:.6g}"
    return [*lines, f"There {phase}: {correlation}, e-fold nearer in {_layers(scales.xi_c.value)} (xi_c)."]


def _layers(scale: float) -> str:
    return "no fixed number of layers: slower than any exponential" if math.isinf(scale) else f"{scale:.6g} layers"


def meaning(report: TheoryReport) -> str:
    """Both stories in one line: what the typical neuron and what the mean-square gradient do."""
    depth, last = len(report.layers), report.flat[-1]
    flat = f"{_percent(last)} of the neurons of layer {depth} are flat"
    if depth == 1:
        return f"{flat[0].upper()}{flat[1:]}."
    gradient = report.layers[0].gradient.value
    if gradient == 0.0:
        return f"No gradient reaches layer 1; {flat}."
    if abs(gradient - 1.0) < 0.05:
        change = "keeps its size"
    else:
        factor = gradient if gradient > 1.0 else 1.0 / gradient
        change = f"{'grows' if gradient > 1.0 else 'shrinks'} {factor:.3g}-fold"
    join = "although" if gradient > 1.0 and last > 0.5 else "and"
    return f"Back to layer 1 the mean-square gradient {change}, {join} {flat}."


def _percent(share: float) -> str:
    if share == 0.0:
        return "none"
    return f"{100.0 * share:.3g} %"


def _layer_dict(layer: LayerTheory, flat: float) -> dict[str, Any]:
    parts = {name: _predicted(getattr(layer, name)) for name in ("q", "chi", "slope", "gradient", "correlation")}
    return {"layer": layer.layer} | parts | {"flat": flat}


def _predicted(value: Predicted | None) -> dict[str, Any] | None:
    return None if value is None else value.to_dict()


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()}
