"""`fanin theory`: what the theory of infinitely wide networks says of an activation, before anything is sampled."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from fanin.options import Real, Whole

_EXAMPLES = """
Examples:
  fanin theory tanh --bias-std 0.2
      at its edge of chaos for these biases
  fanin theory sigmoid --weight-std 31.6 --bias-std 1 --input-square 0.5
      N(0,1) weights at width 1000, half of the inputs on
  fanin theory leaky_relu:0.2 --depth 100 --layers
  fanin theory gelu --weight-std 1.4 --json | jq .edge_of_chaos.sentence
"""


def theory(
    activation: str,
    /,
    *,
    weight_std: Real = None,
    bias_std: Real = None,
    depth: Whole = None,
    input_square: Real = None,
    correlation: Real = None,
    layers: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Print maps, fixed points, depth scales and the edge of chaos of an activation.

    Parameters
    ----------
    activation
        sigmoid, tanh, relu, leaky_relu[:SLOPE], elu[:ALPHA], selu, gelu, silu, softplus, hard_tanh, erf or identity.
    weight_std
        Square root of (variance of a weight times fan-in); by default that of the edge of chaos, or 1 where there is none.
    bias_std
        Standard deviation of a bias; 0 by default.
    depth
        Layers of weights, 1 to 10,000; 10 by default.
    input_square
        |x|^2 / fan-in of the input; 1 by default.
    correlation
        x . y / |x|^2 of two inputs of this length; 0.5 by default.
    layers
        Print every layer, where the table would leave some out.
    json
        Print one JSON object instead of the table.
    """
    from fanin.theory_table import collect, print_theory

    given = {
        "weight_std": weight_std,
        "bias_std": bias_std,
        "depth": depth,
        "input_square": input_square,
        "correlation": correlation,
    }
    found = collect(activation, **{name: value for name, value in given.items() if value is not None})
    if json:
        from fanin.output import print_json

        print_json(found.to_dict())
    else:
        print_theory(found, every=layers)
    return 0


def register(app: App) -> None:
    """Add the command."""
    app.command(theory, help_epilogue=_EXAMPLES)
