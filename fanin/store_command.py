"""`fanin store list|show|check|merge|export`: what stores hold, whether it is sound, several in one, and a run as a result file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from fanin.engine.errors import SpecificationError
from fanin.help_texts import STORE_EXAMPLES
from fanin.options import Flag
from fanin.output import say

if TYPE_CHECKING:
    from fanin.store import Store
    from fanin.store.specification import Specification

store = App(
    name="store",
    help="See what stores hold, check them, merge them, and write their runs to result files.",
    help_format="plaintext",
    help_epilogue=STORE_EXAMPLES,
)

_RUN = "Beginning of the key of a run, as `fanin store list` prints it; not needed where there is only one."


@store.command(name="list")
def list_(*files: str, json: Flag = False) -> int:
    """List the runs that stores hold.

    Parameters
    ----------
    files
        Stores that `fanin verify --store` wrote.
    json
        Print one JSON object instead of the table.
    """
    from fanin.output import print_json, print_view

    found = []
    for file in _files(files):
        with _opened(file) as opened:
            found.append({"store": file, "runs": [_plain(opened, run) for run in opened.runs()]})
    if json:
        print_json({"stores": found})
    else:
        text = "\n".join(line for one in found for line in _lines(one, len(found) > 1))
        print_view(lambda console: console.print(text, markup=False))
    return 0


@store.command
def show(file: str, run: Annotated[str | None, Parameter(help=_RUN)] = None, /, *, json: Flag = False) -> int:
    """Show one run of a store: its specification, how far it reaches, and estimates from it.

    Parameters
    ----------
    file
        A store.
    json
        Print one JSON object instead.
    """
    from fanin.output import print_json, print_view
    from fanin.report import or_null
    from fanin.store.reading import find_run, result_of

    with _opened(file) as opened:
        found = find_run(opened, run)
        plain = _plain(opened, found)
        try:
            result: Any = result_of(opened, found)
            estimates = {
                str(layer): {name: or_null(value) for name, value in result.estimates(layer).items()}
                for layer in (min(result.layers), max(result.layers))
            }
        except SpecificationError as error:
            result, estimates = str(error), {}
    if json:
        print_json(plain | {"specification": found.head, "estimates": estimates})
        return 0
    lines = [f"{name:<12}{value if name == 'seed' else _shown(value)}" for name, value in plain.items()]
    print_view(lambda console: console.print("\n".join([*lines, "", repr(result) if estimates else result]), markup=False))
    return 0


@store.command
def check(*files: str) -> int:
    """Read every row of stores and hold it against its sha256, its run and the rows within its range; exit code 1 where one fails.

    Parameters
    ----------
    files
        Stores.
    """
    from fanin.store.reading import extent, unsound

    worst = 0
    for file in _files(files):
        with _opened(file) as opened:
            runs, lost = opened.runs(), opened.unread
            rows = sum(extent(opened, run).rows for run in runs)
            lost += sum(unsound(opened, run) for run in runs)
        print(f"{file}: {rows} rows of {len(runs)} runs, {'all sound' if not lost else f'{lost} cannot be used'}")
        worst = max(worst, int(lost > 0))
    return worst


@store.command
def merge(target: str, /, *files: str) -> int:
    """Put the rows of several stores into one. A range that is in two of them must have the same numbers in both.

    Parameters
    ----------
    target
        The store to write: a new file, or one that is extended.
    files
        Stores to read; they are not changed. Of a damaged one, what can be read. Exit code 1 where something could not.
    """
    from fanin.place_options import will_keep
    from fanin.store import Store
    from fanin.store.reading import merge as merged

    lost = 0
    for file in _files(files):
        if Path(file).exists() and Path(target).exists() and Path(file).samefile(target):
            raise SpecificationError(f"{file} is the store to write; it cannot be merged into itself")
        if not Path(file).is_file():
            raise SpecificationError(f"{file} cannot be read: there is no such file")
    with Store(target, write=True, notice=say) as opened:
        will_keep(f"what was merged is kept in {target}; the same command goes on from there")
        for file in files:
            found = merged(opened, Path(file), say)
            print(
                f"{file}: {found.new} rows new, {found.there} there already{f', {found.lost} cannot be used' if found.lost else ''}"
            )
            lost += found.lost
    return int(lost > 0)


@store.command
def export(file: str, run: Annotated[str | None, Parameter(help=_RUN)] = None, /, *, output: str, overwrite: Flag = False) -> int:
    """Judge a run as far as the store holds it without a gap, and write it to a result file.

    Parameters
    ----------
    file
        A store.
    output
        A .json or .nc file, for fanin show, verify and compare.
    overwrite
        Let --output replace a file.
    """
    from fanin.output import check_targets
    from fanin.store.reading import find_run, result_of
    from fanin.verification import verify

    check_targets([], output, overwrite, None)
    with _opened(file) as opened:
        result = result_of(opened, find_run(opened, run))
    verify(result).save(output, overwrite)
    print(f"{output} holds {result.networks:,} networks, digest {result.digest[:16]}")
    return 0


def register(app: App) -> None:
    """Add the commands."""
    app.command(store)


def _files(files: tuple[str, ...]) -> tuple[str, ...]:
    if not files:
        raise SpecificationError("no store is given; name at least one file")
    return files


def _opened(file: str) -> Store:
    from fanin.store import Store

    return Store(file, notice=say)


def _plain(opened: Store, run: Specification) -> dict[str, Any]:
    """A run in plain values."""
    from fanin.store.reading import extent

    found, head = extent(opened, run), run.head["ensemble"]
    ensemble = run.ensemble
    return {
        "run": run.key[:12],
        "widths": "-".join(map(str, _short(head["widths"]))),
        "scheme": _name(ensemble.scheme if ensemble else None),
        "activation": _name(ensemble.activation if ensemble else None),
        "inputs": str(ensemble.inputs) if ensemble else "own functions",
        "method": run.method,
        "seed": run.seed,
        "networks": found.networks,
        "blocks": found.blocks,
        "first_gap": found.first_gap,
        "rows": found.rows,
        "bytes": found.stored,
    }


def _short(widths: list[int]) -> list[Any]:
    return widths if len(widths) <= 6 else [*widths[:2], "...", widths[-1]]


def _name(value: Any) -> str:
    if value is None:
        return "own functions"
    return "layers" if isinstance(value, tuple) else str(value)


def _shown(value: Any) -> str:
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _lines(one: dict[str, Any], several: bool) -> list[str]:
    """The runs of a store, each in two lines."""
    lines = [one["store"]] if several else []
    for run in one["runs"]:
        gap = f", without block {run['first_gap']:,}" if run["first_gap"] < run["blocks"] else ""
        size = f"{_shown(run['networks'])} networks" if run["networks"] is not None else f"{run['blocks']:,} blocks"
        lines.append(f"{run['run']}  {size} in {run['rows']:,} rows of {run['bytes']:,} bytes{gap}")
        words = " ".join(run[name] for name in ("widths", "scheme", "activation"))
        lines.append(f"  {words}, inputs {run['inputs']}, {run['method']}, seed {run['seed']}")
    return lines if one["runs"] else [*lines, "no runs"]
