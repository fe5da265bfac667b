"""The command line: `fanin verify`, `show`, `init`, `schemes`, `theory` and `env`.

Exit codes of `verify`: 0 all claims as expected, 1 something otherwise, 2 bad input or usage, 3 something undecided,
4 broke off, 130 and 143 for signals. Results go to standard output, progress and complaints to standard error.
numba and scipy are imported only when something is sampled, so that help is fast.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import fanin
from fanin.engine.errors import SpecificationError
from fanin.engine.recipes import parse_scheme
from fanin.options import Real, Whole
from fanin.output import check_targets, drop_output, folder_dict, print_json, print_table, worst, write_targets
from fanin.subjects import find_subjects, is_folder, own_study
from fanin.theory_command import register

if TYPE_CHECKING:
    from fanin.report import Report
    from fanin.studies import Study

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
  fanin verify --output run.nc --plot run.png
      keep the run and draw it; fanin show run.nc prints it again
  fanin init study.toml && fanin verify study.toml
      a study of your own
  fanin theory tanh --bias-std 0.05
      what theory says of deep networks: fixed points, edge of chaos, layer by layer
"""

_SCHEME = (
    "Its initialization: a name that `fanin schemes` lists, such as he_normal or keras.dense; or a law such as normal:0.1 "
    "(standard deviation) or uniform:2/fan_in (variance over fan_in, fan_out, fan_avg or fan_max), with +LAW for the bias. "
    "Families: normal, uniform, truncated (,cut=2; ,raw: not rescaled), constant, rademacher, laplace, student (,df=5), "
    "orthogonal; ,sparse=0.9 makes a share of the parameters zero."
)
_INPUTS = (
    "half-on (default), on:K, subset:K, bernoulli:P, gaussian:STD, uniform:LOW:HIGH, sparse:ZERO:STD or ar1:RHO:STD; "
    "covariance:FILE (Gaussian); digits, or a file of which each network sees a row: .npy, .npz (,array=NAME), .csv, or MNIST's "
    "IDX, also gzipped. Add ,shared to give all networks one draw. Data take, in the order written, ,scale=F ,standardise "
    "(columns; =all: the table) ,unit (to [0, 1]) ,threshold=T (bits), and ,in-turn (network i sees row i) or ,row=K."
)

app = App(
    name="fanin",
    help="Sample millions of random neural networks at initialization and judge them against theory, with a stated error rate.",
    help_format="plaintext",
    version=fanin.__version__,
    help_epilogue=_EXAMPLES,
    suppress_keyboard_interrupt=False,
)


@app.command(help_epilogue=_EXAMPLES)
def verify(
    study: str | None = None,
    /,
    *,
    networks: Whole = None,
    seed: Whole = None,
    method: str | None = None,
    threads: Whole = None,
    alpha: Real = None,
    tolerance: Real = None,
    widths: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    scheme: Annotated[str | None, Parameter(help=_SCHEME)] = None,
    activation: str | None = None,
    inputs: Annotated[str | None, Parameter(help=_INPUTS)] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    output: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    plot: str | None = None,
) -> int:
    """Sample a study, or a neuron of your own, and judge every claim about it.

    Parameters
    ----------
    study
        single-neuron (default), random-inputs, real-inputs; a .toml file (see `fanin init`) or a folder of them; or a result file,
        which is judged again without sampling.
    networks
        Networks per ensemble, such as 1e7 or 10_000_000; by default what the study says.
    seed
        0 to 2**64 - 1, 501 by default. The same seed gives the same digest on every machine, for any number of threads.
    method
        direct (every weight is drawn; the default) or auto (which takes direct).
    threads
        Threads; by default all available cores.
    alpha
        Probability that any verdict of the run is wrong, at most; 0.01 by default.
    tolerance
        Factor on the tolerance of every claim; 1 by default.
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
    output
        Write the run to a .json or .nc file, to be shown and judged again.
    overwrite
        Let --output replace a file.
    plot
        Draw the report to a .png, .svg or .pdf file.
    """
    own = {"widths": widths, "scheme": scheme, "activation": activation, "inputs": inputs}
    own = {name: value for name, value in own.items() if value is not None}
    if study is not None and own:
        raise SpecificationError(f"--{next(iter(own))} describes a neuron of your own; it does not go with the study {study!r}")
    if overwrite and output is None:
        raise SpecificationError("--overwrite goes with --output FILE")
    sampling = {"networks": networks, "seed": seed, "method": method, "threads": threads}
    sampling = {name: value for name, value in sampling.items() if value is not None}
    judging = {name: value for name, value in (("alpha", alpha), ("tolerance", tolerance)) if value is not None}
    from fanin.engine.machine import widen_vectors

    widen_vectors()  # before numba is imported
    subjects = [own_study(own)] if own else find_subjects(study or "single-neuron", sampling)
    check_targets(subjects, output, overwrite, plot)
    reports, lost = [], None
    for subject in subjects:
        report = _run(subject, sampling, judging, quiet=json)
        reports.append(report)
        lost = write_targets(report, output, overwrite, plot)  # only where there is one report
        if not json:
            print_table(report, first=len(reports) == 1)
    if json:
        print_json(reports[0].to_dict() if not is_folder(study) else folder_dict(study, reports))
    if lost:
        raise lost
    return worst(report.exit_code for report in reports)


@app.command
def show(file: str, /, *, json: Annotated[bool, Parameter(negative="")] = False, plot: str | None = None) -> int:
    """Print the report of a result file again.

    Parameters
    ----------
    file
        A .json or .nc file that `fanin verify --output` wrote.
    json
        Print one JSON object instead of the table.
    plot
        Draw the report to a .png, .svg or .pdf file.
    """
    from fanin.result_file import load_report

    check_targets([], None, False, plot)
    report = load_report(file)
    print_json(report.to_dict()) if json else print_table(report)
    if lost := write_targets(report, None, False, plot):
        raise lost
    return 0


@app.command
def init(file: str, /) -> int:
    """Write a commented example of a study to a new .toml file.

    Parameters
    ----------
    file
        Its name, such as study.toml. A file that is there already is left alone.
    """
    from fanin.study_example import write_example

    print(f"{write_example(file)} is written; fanin verify {file} runs it")
    return 0


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
def schemes(name: str | None = None, /, *, fan_in: Whole = None, fan_out: Whole = 1) -> int:
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
        console = Console(highlight=False, width=240)  # a line for each scheme
    console.print(table(console.width) if name is None else numbers(parse_scheme(name), fan_in, fan_out or 1))
    return 0


register(app)


def _run(subject: Study | Report, sampling: dict[str, Any], judging: dict[str, Any], quiet: bool) -> Report:
    """Sample and judge, with a progress bar on standard error where that is a terminal; a report is only judged again."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fanin.report import Report
    from fanin.verification import verify as judge

    if isinstance(subject, Report):
        return judge(subject, **{"alpha": subject.alpha, "tolerance": subject.tolerance, **judging})
    total = len(subject.ensembles) * (sampling.get("networks") or subject.networks)
    console = Console(stderr=True)
    columns = (TextColumn("sampling"), BarColumn(), MofNCompleteColumn(), TextColumn("networks"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("sampling", total=total)
        return judge(subject, **sampling, **judging, progress=lambda done: bar.advance(task, done))


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
        drop_output()
        code = 0
    except (MemoryError, OSError) as error:
        code = _complain(f"broke off: {error or type(error).__name__}", BROKE_OFF)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(sentence: str, code: int) -> int:
    print(f"fanin: {sentence}", file=sys.stderr)
    return code
