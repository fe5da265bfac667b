"""`fanin plan`: how many networks decide each claim of a study, what a run will see, and how long it takes here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from fanin.engine.errors import SpecificationError
from fanin.help_texts import PLAN_EXAMPLES, PLANNED
from fanin.options import Flag, JudgingOptions, NetworkOptions, SamplingOptions
from fanin.subjects import ALL, RESULTS, check_own, is_folder, own_study


def plan(
    study: Annotated[str | None, Parameter(help=PLANNED)] = None,
    /,
    *,
    sampling: SamplingOptions = SamplingOptions(),
    judging: JudgingOptions = JudgingOptions(),
    until: str | None = None,
    network: NetworkOptions = NetworkOptions(),
    layers: Flag = False,
    json: Flag = False,
) -> int:
    """Say how many networks decide each claim, what a run of --networks will see, and how long it takes on this machine.

    Parameters
    ----------
    until
        decided: plan a run that is watched, whose intervals are wider.
    layers
        Print every claim of every layer; by default of each quantity the layer that needs most.
    json
        Print one JSON object instead of the table.
    """
    own = network.given()
    check_own(study, own)
    if study == ALL or is_folder(study) or Path(study or "").suffix.lower() in RESULTS:
        raise SpecificationError(f"plan takes one study that is to be sampled, not {study!r}")
    from fanin.engine.machine import widen_vectors

    widen_vectors()  # before numba is imported
    from fanin.run_planning import plan as planned

    found = planned(own_study(own) if own else study or "single-neuron", **sampling.given(), **judging.given(), until=until)
    if json:
        from fanin.output import print_json

        print_json(found.to_dict())
    else:
        from fanin.output import print_view
        from fanin.plan_table import print_plan

        print_view(lambda console: print_plan(found, console, layers))
    return 0


def register(app: App) -> None:
    """Add the command."""
    app.command(plan, help_epilogue=PLAN_EXAMPLES)
