"""The command line: `fanin verify`, `fanin schemes` and `fanin env`.

Exit codes of `verify`: 0 all claims as expected, 1 something otherwise, 2 bad input or usage, 3 something undecided,
4 broke off, 130 and 143 for signals. Results go to standard output, progress and complaints to standard error.
numba and scipy are imported only when something is sampled, so that help is fast.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import fanin
from fanin.engine.errors import SpecificationError
from fanin.engine.recipes import parse_scheme

BAD_INPUT, BROKE_OFF = 2, 4

_EXAMPLES = """
Examples:
  fanin verify
      Nielsen's neuron: N(0,1) weights against weights scaled by 1/sqrt(fan-in)
  fanin verify random-inputs --networks 1e8
      another built-in study, with more networks than its default
  fanin verify --widths 784,1 --scheme he_normal --inputs gaussian
      a neuron of your own
  fanin verify --widths 300,1 --scheme uniform:1/fan_avg+normal:0.1
      laws spelled out: Glorot's uniform weights, N(0, 0.01) biases
  fanin verify --inputs images.csv,scale=0.0039
      each network sees one row of a file
  fanin verify --json | jq .digest
      one JSON object and nothing else
"""

_SCHEME = (
    "Its initialization: a name that `fanin schemes` lists, such as he_normal or keras.dense; or a law such as normal:0.1 "
    "(standard deviation) or uniform:2/fan_in (variance over fan_in, fan_out, fan_avg or fan_max), with +LAW for the bias. "
    "Families: normal, uniform, truncated (,cut=2; ,raw: not rescaled), constant, rademacher, laplace, student (,df=5), "
    "orthogonal; ,sparse=0.9 makes a share of the parameters zero."
)
_INPUTS = (
    "half-on (default), on:K, subset:K, bernoulli:P, gaussian:STD, uniform:LOW:HIGH, sparse:ZERO:STD, ar1:RHO:STD, digits, or an "
    '.npy or .csv file of which each network sees a row; add ",shared" to give all networks one draw, and ",scale=FACTOR" to '
    "multiply data."
)

app = App(
    name="fanin",
    help="Sample millions of random neural networks at initialization and judge them against theory, with a stated error rate.",
    help_format="plaintext",
    version=fanin.__version__,
    help_epilogue=_EXAMPLES,
    suppress_keyboard_interrupt=False,
)


def _whole(_type: Any, tokens: Any) -> int:
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


def _real(_type: Any, tokens: Any) -> float:
    text = tokens[0].value
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number such as 0.01") from None


_Whole = Annotated[int | None, Parameter(converter=_whole)]
_Real = Annotated[float, Parameter(converter=_real)]


@app.command(help_epilogue=_EXAMPLES)
def verify(
    study: str | None = None,
    /,
    *,
    networks: _Whole = None,
    seed: _Whole = 501,
    method: str = "direct",
    threads: _Whole = None,
    alpha: _Real = 0.01,
    tolerance: _Real = 1.0,
    widths: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    scheme: Annotated[str | None, Parameter(help=_SCHEME)] = None,
    activation: str | None = None,
    inputs: Annotated[str | None, Parameter(help=_INPUTS)] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Sample a study, or a neuron of your own, and judge every claim about it.

    Parameters
    ----------
    study
        single-neuron (default), random-inputs or real-inputs.
    networks
        Networks per ensemble, such as 1e7 or 10_000_000; by default what the study says.
    seed
        0 to 2**64 - 1. The same seed gives the same digest on every machine, for any number of threads.
    method
        direct (every weight is drawn) or auto (which takes direct).
    threads
        Threads; by default all available cores.
    alpha
        Probability that any verdict of the run is wrong, at most.
    tolerance
        Factor on the tolerance of every claim.
    widths
        Sizes of a layer of your own: n,m, such as 1000,1.
    scheme
        Its initialization.
    activation
        sigmoid or tanh.
    inputs
        What it sees.
    json
        Print one JSON object instead of the table.
    """
    own = {"widths": widths, "scheme": scheme, "activation": activation, "inputs": inputs}
    own = {name: value for name, value in own.items() if value is not None}
    if study is not None and own:
        raise SpecificationError(f"--{next(iter(own))} describes a neuron of your own; it does not go with the study {study!r}")
    subject = _own_ensemble(own) if own else _known_study(study or "single-neuron")
    report = _run(subject, networks, seed, method, threads, alpha, tolerance, quiet=json)
    try:
        _print_json(report) if json else _print_table(report)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    return report.exit_code


@app.command
def env() -> int:
    """Print versions and machine: what a bug report needs."""
    from fanin.provenance import provenance

    for key, value in provenance().items():
        if isinstance(value, dict):
            for name, version in value.items():
                print(f"{name:<14}{version or 'not installed'}")
        elif key != "threads":
            print(f"{key:<14}{'unknown' if value is None else value}")
    return 0


@app.command
def schemes(name: str | None = None, /, *, fan_in: _Whole = None, fan_out: _Whole = 1) -> int:
    """Print the named initialization schemes, or the numbers of one.

    Parameters
    ----------
    name
        A name from the table, or a law such as normal:2/fan_in+normal:1.
    fan_in
        Inputs of a neuron: print the numbers of the scheme for it.
    fan_out
        Neurons of the layer.
    """
    from rich.console import Console

    from fanin.scheme_table import numbers, table

    if name is None and fan_in is not None:
        raise SpecificationError(f"--fan-in {fan_in} needs a scheme, such as: fanin schemes he_normal --fan-in {fan_in}")
    for size, value in (("fan-in", fan_in), ("fan-out", fan_out)):
        if value is not None and value < 1:
            raise SpecificationError(f"--{size} is {value}; it must be at least 1")
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    console.print(table() if name is None else numbers(parse_scheme(name), fan_in, fan_out or 1))
    return 0


def _known_study(name: str) -> str:
    from fanin.studies import STUDIES

    if name not in STUDIES:
        raise SpecificationError(f"study is {name!r}; known are {', '.join(STUDIES)}")
    return name


def _own_ensemble(own: dict[str, str]) -> Any:
    """The ensemble that --widths, --scheme, --activation and --inputs describe."""
    from fanin.data import load_inputs
    from fanin.engine.spec import Ensemble

    options: dict[str, Any] = dict(own)
    if "inputs" in own:
        options["inputs"] = load_inputs(own["inputs"])
    if "widths" in own:
        try:
            options["widths"] = tuple(int(width) for width in own["widths"].split(","))
        except ValueError:
            raise SpecificationError(f"widths are {own['widths']!r}; write layer sizes such as 1000,1") from None
    elif "inputs" in own and options["inputs"].data is not None:
        options["widths"] = (options["inputs"].data.shape[1], 1)
    else:
        raise SpecificationError(f"--{next(iter(own))} needs the size of the neuron; add --widths n,1 such as --widths 1000,1")
    return Ensemble(**options)


def _run(
    subject: Any, networks: Any, seed: Any, method: str, threads: Any, alpha: float, tolerance: float, quiet: bool
) -> fanin.Report:
    """Sample and judge, with a progress bar on standard error where that is a terminal."""
    from fanin.engine.machine import widen_vectors

    widen_vectors()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fanin.studies import Study, built_in
    from fanin.verification import verify as judge_all

    if isinstance(subject, str):
        subject = built_in(subject)
    ensembles = len(subject.ensembles) if isinstance(subject, Study) else 1
    total = ensembles * (networks or (subject.networks if isinstance(subject, Study) else 10_000_000))
    console = Console(stderr=True)
    columns = (TextColumn("sampling"), BarColumn(), MofNCompleteColumn(), TextColumn("networks"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("sampling", total=total)
        return judge_all(
            subject,
            networks=networks,
            seed=seed,
            method=method,
            threads=threads,
            alpha=alpha,
            tolerance=tolerance,
            progress=lambda done: bar.advance(task, done),
        )


def _print_json(report: fanin.Report) -> None:
    import json

    print(json.dumps(report.to_dict(), allow_nan=False, ensure_ascii=False))


def _print_table(report: fanin.Report) -> None:
    from rich.console import Console

    from fanin.table import WIDTH, print_report

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Output(highlight=False)
    print_report(report, console if console.is_terminal else Output(highlight=False, width=WIDTH))


def _drop_output() -> None:
    """The reader has gone, as with `| head`: what it wanted, it has."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _terminate(_number: int, _frame: Any) -> None:
    raise _Terminated


def main() -> None:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except SpecificationError as error:
        code = _complain(str(error), BAD_INPUT)
    except CycloptsError as error:
        code = _complain(" ".join(str(error).split()), BAD_INPUT)
    except KeyboardInterrupt:
        code = _complain("interrupted; nothing was kept", 130)
    except _Terminated:
        code = _complain("terminated; nothing was kept", 143)
    except BrokenPipeError:
        _drop_output()
        code = 0
    except (MemoryError, OSError) as error:
        code = _complain(f"broke off: {error or type(error).__name__}", BROKE_OFF)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(sentence: str, code: int) -> int:
    print(f"fanin: {sentence}", file=sys.stderr)
    return code
