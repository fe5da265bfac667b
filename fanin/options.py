"""Numbers and switches as they are written on the command line, and the options that several commands share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from fanin.help_texts import ACTIVATION, COST, INPUTS, METHOD, SCHEME, TARGETS


def whole(_type: Any, tokens: Any) -> int:
    """A whole number written 10000000, 10_000_000 or 1e7."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
        if number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a whole number such as 10000000 or 1e7") from None
    return int(number)


def real(_type: Any, tokens: Any) -> float:
    """A number written 0.01 or 1e-2."""
    text = tokens[0].value
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number such as 0.01") from None


Flag = Annotated[bool, Parameter(negative="")]
Whole = Annotated[int | None, Parameter(converter=whole, allow_leading_hyphen=True)]
Real = Annotated[float | None, Parameter(converter=real, allow_leading_hyphen=True)]


class _Options:
    """Options that a command takes together."""

    def given(self) -> dict[str, Any]:
        """Those that stand on the command line."""
        return {name: value for name, value in asdict(self).items() if value is not None}  # type: ignore[call-overload]


@Parameter(name="*")
@dataclass(frozen=True)
class SamplingOptions(_Options):
    """How to sample."""

    networks: Whole = None
    """Networks per ensemble, such as 1e7 or 10_000_000; by default what the study says."""

    seed: Whole = None
    """0 to 2**64 - 1, 501 by default. The same seed gives the same digest on every machine, for any number of threads."""

    method: Annotated[str | None, Parameter(help=METHOD)] = None

    threads: Whole = None
    """Threads; by default all available cores."""


@Parameter(name="*")
@dataclass(frozen=True)
class PlaceOptions(_Options):
    """Where to sample, and where to keep what is sampled."""

    executor: str | None = None
    """threads (the default), processes, dask or mpi: where tasks run. The digest is the same everywhere."""

    workers: Whole = None
    """Processes, or one-thread workers of a Dask cluster on this machine; by default one for each core."""

    dask_address: str | None = None
    """Scheduler of a Dask cluster that is there already, such as tcp://host:8786."""

    store: str | None = None
    """A file in which finished tasks are kept: the same command goes on where it was stopped, and a larger one extends it."""


@Parameter(name="*")
@dataclass(frozen=True)
class JudgingOptions(_Options):
    """How to judge."""

    alpha: Real = None
    """Probability that any verdict of the run is wrong, at most; 0.01 by default."""

    tolerance: Real = None
    """Factor on the tolerance of every claim; 1 by default."""


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions(_Options):
    """A network of one's own."""

    widths: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    """Sizes of the layers of a network of your own, first the input: 1000,1 or 784,256,10."""

    scheme: Annotated[str | None, Parameter(help=SCHEME)] = None

    activation: Annotated[str | None, Parameter(help=ACTIVATION)] = None

    inputs: Annotated[str | None, Parameter(help=INPUTS)] = None

    points: Whole = None
    """Inputs that go through each network, 1 to 8; the first two are compared."""

    cost: Annotated[str | None, Parameter(help=COST)] = None

    targets: Annotated[str | None, Parameter(help=TARGETS, allow_leading_hyphen=True)] = None
