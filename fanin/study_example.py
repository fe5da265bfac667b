"""The commented example of a study that `fanin init` writes."""

from __future__ import annotations

from pathlib import Path

from fanin.engine.errors import SpecificationError
from fanin.study_file import SUFFIX

EXAMPLE = """\
# A study for fanin. `fanin verify THIS_FILE` samples every ensemble and judges every claim;
# its exit code is 0 when all is as expected, 1 when something is not, 3 when something is undecided.
# Only `ensembles` must be there. The form is described by the JSON Schema docs/study.schema.json.

name = "example"
purpose = "Does weight scaling keep a neuron out of saturation, and does the fan-in matter?"
networks = 10_000_000       # of each ensemble; --networks overrides it

# Quantities to compare with theory. Leave the line out to compare all that theory predicts.
quantities = ["z.mean", "z.variance", "z.quantile[0.95]", "z.tail[5]", "phi.saturated", "slope.median"]

# An ensemble is a law of networks and of their input. Its label is yours to choose.
[ensembles.standard]
widths = [1000, 1]          # 1000 inputs, 1 neuron
scheme = "standard"         # a name from `fanin schemes`, or laws such as "normal:1/fan_in+normal:1" (weights+bias)
activation = "sigmoid"      # or "tanh", "relu", "gelu", ...; see docs/study.schema.json
inputs = "half-on"          # the first half of the inputs are 1, the rest 0; see `fanin verify --help`

# A list where one value may stand makes a grid: here 2 x 2 ensembles, called
# scaled[100-1,scaled], scaled[100-1,torch.linear] and so on.
[ensembles.scaled]
widths = [[100, 1], [1000, 1]]
scheme = ["scaled", "torch.linear"]

# A network has more widths. To sample this one as well, take away the "# " before each of its lines;
# ten million networks of this size take some minutes, and --networks 1e5 a few seconds.
# [ensembles.network]
# widths = [784, 30, 30, 10]                    # 784 inputs, two hidden layers of 30, 10 outputs
# scheme = [["scaled", "scaled", "standard"]]   # a list within the list: one for each layer
# activation = "sigmoid"                        # of all layers, the output included
# cost = "quadratic"                            # what is sent back: "linear", "quadratic", "cross-entropy", "softmax"
# targets = "one-hot"                           # or "random", or a number for each output
# slow = [0.001]                                # the share of neurons with |delta| below is recorded
# method = "direct"                             # "conditional" is faster, for Gaussian weights

# Claims beyond the comparison with theory: a number that someone published, say.
[[claims]]
ensemble = "standard"       # a label, or the name of a grid for all of its ensembles
quantity = "z.variance"
layer = 1                   # of a network any of its layers
predicted = 500.0           # left out: what theory predicts
tolerance = 0.1             # in units of the quantity, or a share such as "0.02%"; left out: that of theory
name = "without bias"       # tells claims about one quantity apart
source = "the bias was forgotten"
expect = "refuted"          # the claim is known to be false: `refuted` is as it should be
"""


def write_example(path: str | Path) -> Path:
    """Write the example to a new file.

    Raises
    ------
    SpecificationError
        Where the name does not end in .toml, the file is there already, or the folder cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise SpecificationError(f"{path} is not the name of a study; it must end in {SUFFIX}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(EXAMPLE)
    except FileExistsError:
        raise SpecificationError(f"{path} is there already and is left alone; give a new name") from None
    except OSError as error:
        raise SpecificationError(f"{path} cannot be written: {error.strerror or error}") from None
    return path
