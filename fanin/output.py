"""Where the reports of the command line go: standard output as a table or JSON, result files, plots.

Files that could not be written are refused before anything is sampled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

import fanin
from fanin.engine.errors import SpecificationError

if TYPE_CHECKING:
    from rich.console import Console

    from fanin.report import Report
    from fanin.studies import Study


_FEWEST_COLUMNS = 40


_answered = [False]


def begin_output() -> None:
    """Nothing is printed yet."""
    _answered[0] = False


def is_answered() -> bool:
    """Whether an object was printed, or its print was begun."""
    return _answered[0]


def print_json(value: dict[str, Any]) -> None:
    """One object on one line, and nothing else."""
    import json

    _answered[0] = True
    _print_for_a_reader(lambda: print(json.dumps(value, allow_nan=False, ensure_ascii=False)))


def print_table(report: Report, first: bool = True, layers: bool = False) -> None:
    """A report as a person reads it, with an empty line before all but the first.

    layers : every claim of every layer of a network.
    """
    from fanin.table import print_report

    def show(console: Console) -> None:
        if not first:
            console.print()
        print_report(report, console, layers)

    print_view(show)


def print_view(show: Callable[[Console], object]) -> None:
    """What a function prints to a console, as a person reads it: as wide as the terminal; elsewhere 80 columns, or fewer where the
    variable COLUMNS says so."""
    from rich.console import Console

    from fanin.table import WIDTH

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Output(highlight=False)
    console = console if console.is_terminal else Output(highlight=False, width=_columns(WIDTH))
    _print_for_a_reader(lambda: show(console))


def _columns(most: int) -> int:
    """What the variable COLUMNS asks for, from 40 on; at most the given number."""
    asked = os.environ.get("COLUMNS", "")
    return min(max(int(asked), _FEWEST_COLUMNS), most) if asked.isascii() and asked.isdigit() else most


def _print_for_a_reader(show: Any) -> None:
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


def print_aside(line: str, file: IO[str] | None = None) -> None:
    """A line on standard error, or what stands for it. Where nobody reads it any longer nothing is said, and the run goes on."""
    try:
        print(line, file=file or sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stderr__.fileno() if sys.__stderr__ else 2)


def say(sentence: str) -> None:
    """A sentence of fanin on standard error."""
    print_aside(f"fanin: {sentence}")


def drop_output() -> None:
    """The reader has gone, as with `| head`: what it wanted, it has."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def folder_dict(folder: str | None, reports: Sequence[Report]) -> dict[str, Any]:
    """The reports on a folder of studies as one object."""
    return {"fanin": fanin.__version__, "folder": folder, "reports": [report.to_dict() for report in reports]}


def all_dict(reports: Sequence[Report]) -> dict[str, Any]:
    """The reports on all built-in studies as one object."""
    return {"fanin": fanin.__version__, "studies": [report.to_dict() for report in reports]}


def worst(codes: Iterable[int]) -> int:
    """One exit code for several reports: 1 before 3 before 0."""
    found = set(codes)
    return next((code for code in (1, 3) if code in found), 0)


def check_targets(
    subjects: Sequence[Study | Report], output: str | None, overwrite: bool, plot: str | None, several: str = "the folder holds"
) -> None:
    """Refuse files that could not be written. several : the words before the number of studies, where there is more than one."""
    for option, target in (("--output", output), ("--plot", plot)):
        if target is not None and len(subjects) > 1:
            raise SpecificationError(f"{option} {target} takes one report, and {several} {len(subjects)} studies")
    if output is not None:
        from fanin import result_file
        from fanin.studies import Study

        for subject in subjects:
            result_file.check_target(output, overwrite, subject if isinstance(subject, Study) else subject.study)
    if plot is not None:
        from fanin.plot import check_path

        check_path(plot)


def write_targets(report: Report, output: str | None, overwrite: bool, plot: str | None) -> tuple[list[str], OSError | None]:
    """Write a report to the files asked for: those that were written, and what stood in the way of others, so that the report is
    printed all the same."""
    written = []
    try:
        if output is not None:
            report.save(output, overwrite)
            written.append(output)
        if plot is not None:
            from fanin.plot import save

            save(report, plot)
            written.append(plot)
    except OSError as error:
        return written, error
    except SpecificationError as error:  # what was right before the run began, and is no longer
        return written, OSError(str(error))
    return written, None
