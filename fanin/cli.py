"""The command line: `fanin verify`, `plan`, `compare`, `show`, `store`, `init`, `schemes`, `theory` and `env`.

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
from fanin import compare_command, plan_command, store_command, theory_command
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.engine.recipes import parse_scheme
from fanin.help_texts import EXAMPLES, SHOW_EXAMPLES, STUDY
from fanin.options import Flag, JudgingOptions, NetworkOptions, PlaceOptions, SamplingOptions, Whole
from fanin.output import (
    all_dict,
    begin_output,
    check_targets,
    drop_output,
    folder_dict,
    is_answered,
    print_json,
    print_table,
    say,
    worst,
    write_targets,
)
from fanin.place_options import kept_in, opened_place, what_is_kept, will_keep
from fanin.signals import Stopped, arrived, end_at_once, ignore, listen, signals_later
from fanin.subjects import ALL, check_own, find_subjects, is_folder, own_study

if TYPE_CHECKING:
    from rich.console import Console

    from fanin.report import Report
    from fanin.studies import Study

BAD_INPUT, BROKE_OFF = 2, 4

app = App(
    name="fanin",
    help="Sample millions of random neural networks at initialization and judge them against theory, with a stated error rate.",
    help_format="plaintext",
    version=fanin.__version__,
    help_epilogue=EXAMPLES,
    suppress_keyboard_interrupt=False,
)


@app.command(help_epilogue=EXAMPLES)
def verify(
    study: Annotated[str | None, Parameter(help=STUDY)] = None,
    /,
    *,
    sampling: SamplingOptions = SamplingOptions(),
    place: PlaceOptions = PlaceOptions(),
    judging: JudgingOptions = JudgingOptions(),
    until: str | None = None,
    max_networks: Whole = None,
    network: NetworkOptions = NetworkOptions(),
    layers: Flag = False,
    json: Flag = False,
    output: str | None = None,
    overwrite: Flag = False,
    plot: str | None = None,
) -> int:
    """Sample a study, or a network of your own, and judge every claim about it.

    Parameters
    ----------
    until
        decided: sample in rounds until every claim is confirmed or refuted; the error rate holds although the run is watched.
    max_networks
        Networks per ensemble at which a run until decided ends in any case; 100 times what the study says by default.
    layers
        Print every claim of every layer, where the table of a network would be a summary.
    json
        Print one JSON object instead of the table.
    output
        Write the run to a .json or .nc file, to be shown and judged again.
    overwrite
        Let --output replace a file.
    plot
        Draw the report to a .png, .svg or .pdf file.
    """
    own = network.given()
    check_own(study, own)
    if overwrite and output is None:
        raise SpecificationError("--overwrite goes with --output FILE")
    sizes = {name: value for name, value in (("until", until), ("max_networks", max_networks)) if value is not None}
    how = sampling.given() | sizes
    where = place.given()
    if "threads" in how and where.get("executor", "threads") != "threads":
        other = {"processes": "--workers says how many processes", "dask": "--workers says how many workers"}
        more = other.get(where["executor"], "the ranks of MPI are its workers")
        raise SpecificationError(f"--threads {how['threads']} goes with the executor threads; {more}")
    from fanin.engine.machine import widen_vectors

    widen_vectors()  # before numba is imported
    subjects = [own_study(own)] if own else find_subjects(study or "single-neuron", how | where)
    check_targets(subjects, output, overwrite, plot, several="all is" if study == ALL else "the folder holds")
    reports: list[Report] = []
    lost = None
    with opened_place(**where) as opened:
        for subject in subjects:
            report = _run(subject, how | opened, judging.given(), quiet=json)
            with signals_later():
                reports.append(report)
                written, lost = write_targets(report, output, overwrite, plot)  # only where there is one report
                will_keep(_what_is_left(len(reports), len(subjects), written, lost, where.get("store")))
                if not json:
                    print_table(report, first=len(reports) == 1, layers=layers)
                elif study == ALL or is_folder(study):
                    _object.update(all_dict(reports) if study == ALL else folder_dict(study, reports))
                else:
                    _object.update(report.to_dict())
            if arrived:  # the report is that of the last look
                raise Stopped
    if lost:
        raise lost
    if json:
        will_keep("the report was being printed")
        print_json(_object)
    return worst(report.exit_code for report in reports)


def _what_is_left(count: int, total: int, written: list[str], lost: OSError | None, store: str | None) -> str:
    """What a run leaves that is ended by a signal after so many reports."""
    words = "the report is printed" if total == 1 else f"{count} of {total} reports are printed"
    if written:
        words += f" and in {' and '.join(written)}"
    if lost:
        words += f"; {lost}"
    return f"{words}; " + ("with --store FILE the run could be gone on with" if store is None else kept_in(store))


@app.command(help_epilogue=SHOW_EXAMPLES)
def show(file: str, /, *, layers: Flag = False, json: Flag = False, plot: str | None = None) -> int:
    """Print the report of a result file again.

    Parameters
    ----------
    file
        A .json or .nc file that `fanin verify --output` wrote.
    layers
        Print every claim of every layer, where the table of a network would be a summary.
    json
        Print one JSON object instead of the table.
    plot
        Draw the report to a .png, .svg or .pdf file.
    """
    from fanin.result_file import load_report

    check_targets([], None, False, plot)
    report = load_report(file)
    print_json(report.to_dict()) if json else print_table(report, layers=layers)
    _, lost = write_targets(report, None, False, plot)
    if lost:
        raise lost
    return 0


@app.command(help_epilogue="")
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


@app.command(help_epilogue="")
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


@app.command(help_epilogue="")
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


for command in (plan_command, compare_command, theory_command, store_command):
    command.register(app)


def _run(subject: Study | Report, sampling: dict[str, Any], judging: dict[str, Any], quiet: bool) -> Report:
    """Sample and judge, with progress on standard error; a report is only judged again."""
    from rich.console import Console

    from fanin.progress_display import sampling as shown
    from fanin.report import Report
    from fanin.verification import verify as judge

    if isinstance(subject, Report):
        return judge(subject, **{"alpha": subject.alpha, "tolerance": subject.tolerance, **judging})
    console = Console(stderr=True)
    if sampling.get("until") is not None:
        return _watched(subject, sampling | judging, console, quiet)
    total = len(subject.ensembles) * (sampling.get("networks") or subject.networks)
    with shown(console, total, quiet) as (progress, look):
        return judge(subject, **sampling, **judging, progress=progress, look=look)


def _watched(study: Study, how: dict[str, Any], console: Console, quiet: bool) -> Report:
    """A run until decided; where a signal ends it, the report of its last look, which holds as it stands."""
    from fanin.verification import verify as judge
    from fanin.watch_display import watching

    last: list[Report] = []
    with watching(console, quiet) as show:

        def keep(report: Report) -> None:
            last[:] = [report]
            show(report)

        try:
            return judge(study, **how, look=keep)
        except BaseException:
            if not (arrived and last):
                raise
    return last[0]


_object: dict[str, Any] = {}
"""What --json prints; of a run that broke off with `error` and `exit_code`."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    _object.clear()
    begin_output()
    listen()
    try:
        code = app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except BaseException as error:
        end_at_once()
        code = _complain_of(error)
        ignore()
    arrived.clear()
    sys.exit(code if isinstance(code, int) else 0)


def _complain_of(error: BaseException) -> int:
    """One sentence on what went wrong, and the exit code; what is a fault of fanin is raised again."""
    if arrived or isinstance(error, (Stopped, KeyboardInterrupt)):
        kept = what_is_kept()
        if signal.SIGTERM in arrived:
            return _complain(f"terminated; {kept}", 143)
        return _complain(f"interrupted; {kept}", 130)
    match error:
        case SpecificationError():
            return _complain(str(error), BAD_INPUT)
        case CycloptsError():
            return _complain(" ".join(str(error).split()), BAD_INPUT)
        case BrokenPipeError():
            drop_output()
            return 0
        case BrokenOff():
            return _complain(f"broke off: {error}; {what_is_kept()}", BROKE_OFF)
        case MemoryError() | OSError():
            return _complain(f"broke off: {error or type(error).__name__}", BROKE_OFF)
    raise error


def _complain(sentence: str, code: int) -> int:
    """Print the sentence; with --json the one object of a run that broke off as well."""
    say(sentence)
    if code != BAD_INPUT and "--json" in sys.argv and not is_answered():
        print_json({**_object, "error": sentence, "exit_code": code})
    return code
