"""`fanin compare`: two runs, studies or schemes, quantity by quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from fanin.engine.errors import SpecificationError
from fanin.options import Flag, JudgingOptions, NetworkOptions, SamplingOptions

if TYPE_CHECKING:
    from fanin.comparison import Comparison
    from fanin.comparison_sides import Side

_SIDE = (
    "A result file (.json or .nc), a built-in study or a .toml study; or a scheme, by name or as a law such as "
    "normal:2/fan_in+normal:0.1, with the options of a network of your own (--widths is 1000,1 by default)."
)

_EXAMPLES = """
Examples:
  fanin compare he_normal lecun_normal
      two schemes of one neuron with 1000 inputs
  fanin compare he_normal he_uniform --widths 784,64,10 --activation relu --cost softmax
      of a network of your own, forward and backward
  fanin compare before.nc after.nc
      two runs: does a change of the code change the numbers?
  fanin compare before.nc he_normal --widths 784,256,10 --seed 502
  fanin compare single-neuron study.toml --tolerance 0.5 --json | jq .comparisons
"""


def compare(
    a: Annotated[str, Parameter(help=_SIDE)],
    b: Annotated[str, Parameter(help="As A.")],
    /,
    *,
    sampling: SamplingOptions = SamplingOptions(),
    judging: JudgingOptions = JudgingOptions(),
    network: NetworkOptions = NetworkOptions(),
    layers: Flag = False,
    json: Flag = False,
) -> int:
    """Say which quantities of two runs, studies or schemes are equal and which differ, and by how much; theory is not asked.

    Parameters
    ----------
    layers
        Print every layer; by default of each quantity the layer that differs most or is least decided.
    json
        Print one JSON object instead of the table.
    """
    from fanin.engine.machine import widen_vectors

    widen_vectors()  # before numba is imported
    how = sampling.given()
    one, other = _sides((a, b), network.given(), how)
    found = _run(one, other, how, judging.given(), quiet=json)
    if json:
        from fanin.output import print_json

        print_json(found.to_dict())
    else:
        from fanin.comparison_table import print_comparison
        from fanin.output import print_view

        print_view(lambda console: print_comparison(found, console, layers))
    return found.exit_code


def _sides(texts: tuple[str, str], own: dict[str, Any], sampling: dict[str, Any]) -> tuple[Side, Side]:
    """What the two stand for, with options where they go with neither refused."""
    from fanin.comparison_sides import is_result, is_scheme, side_of

    if "scheme" in own:
        raise SpecificationError(f"--scheme {own['scheme']} has no place here: A and B are the schemes; leave --scheme out")
    if own and not any(map(is_scheme, texts)):
        raise SpecificationError(
            f"--{next(iter(own))} describes a network of your own, and neither A nor B is a scheme: {texts[0]}, {texts[1]}"
        )
    if sampling and all(map(is_result, texts)):
        raise SpecificationError(f"--{next(iter(sampling))} is about sampling, and A and B are results, which are only compared")
    how = {name: value for name, value in sampling.items() if name != "threads"}
    return side_of(texts[0], "A", own, **how), side_of(texts[1], "B", own, **how)


def _run(a: Side, b: Side, sampling: dict[str, Any], judging: dict[str, Any], quiet: bool) -> Comparison:
    """Compare, with progress on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fanin.comparison import compare_sides

    console = Console(stderr=True)
    total = sum(len(side.study.ensembles) * side.networks for side in (a, b) if not side.is_sampled)
    columns = (TextColumn("sampling"), BarColumn(), MofNCompleteColumn(), TextColumn("networks"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not (total and console.is_terminal)) as bar:
        task = bar.add_task("sampling", total=total)
        threads = sampling.get("threads")
        return compare_sides(a, b, threads=threads, **judging, progress=lambda done: bar.advance(task, done))


def register(app: App) -> None:
    """Add the command."""
    app.command(compare, help_epilogue=_EXAMPLES)
