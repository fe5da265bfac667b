"""Planted faults: at least fifty, in the engine, in specifications, in predictions, in users' mistakes, each at its announced size.

A fault is caught when a claim that its entry names is refuted by a run of the size that `plan` announced of the right study, or
when it is refused. What no claim sees is run as well, and listed with the reason. Controls: the same runs without a fault refute
nothing.
"""

from __future__ import annotations

import sys
from concurrent import futures

from tests.campaigns.engine_faults import found_in_copy
from tests.campaigns.planted import Found, controls, trial
from tests.campaigns.prediction_faults import PREDICTIONS
from tests.campaigns.specification_faults import SPECIFICATIONS
from tests.campaigns.user_faults import USERS

KINDS = {"specification": SPECIFICATIONS, "prediction": PREDICTIONS, "user": USERS}
LEAST = 50


def faults() -> str:
    """What was found, and the table of needed against announced. SystemExit where a fault is missed or a control refuted."""
    with futures.ThreadPoolExecutor(1) as pool:
        engine = pool.submit(found_in_copy)
        found = list(controls(fault for kind in KINDS.values() for fault in kind))
        for kind, entries in KINDS.items():
            for fault in entries:
                found.append(trial(fault, kind))
                print(
                    f"{found[-1].name}: {found[-1].caught_by or found[-1].sentence or 'not refuted'}", file=sys.stderr, flush=True
                )
        found = engine.result() + found
    planted = [one for one in found if one.kind != "control"]
    seen = [one for one in planted if not one.unseen]
    checks = [one for one in found if one.kind == "control"]
    said = (
        f"{sum(one.as_expected for one in seen)} of {len(seen)} planted faults caught at the announced size, "
        f"{len(planted) - len(seen)} more that no claim sees; {len(checks)} controls, "
        f"{sum(not one.refuted for one in checks)} without a refuted claim\n\n{table(planted)}"
    )
    if wrong := [f"{one.name} ({one.study})" for one in found if not one.as_expected]:
        raise SystemExit(f"not as expected: {'; '.join(wrong)}\n{said}")
    if len(seen) < LEAST:
        raise SystemExit(f"only {len(seen)} faults are planted\n{said}")
    return said


def table(found: list[Found]) -> str:
    """Needed against announced, as Markdown; then what is refused; then what no claim sees."""
    lines = ["| fault | kind | study | announced | first refuted, watched | claim |", "|---|---|---|---|---|---|"]
    for one in found:
        if not one.unseen and not one.sentence:
            sizes = f"{_number(one.announced)} | {_number(one.first)}"
            lines.append(f"| {_what(one)} | {one.kind} | {one.study} | {sizes} | {one.caught_by or 'MISSED'} |")
    lines += ["", "Refused before anything is sampled:", "", "| fault | sentence |", "|---|---|"]
    lines += [f"| {_what(one)} | {one.sentence} |" for one in found if one.sentence]
    lines += ["", "What no claim sees:", "", "| fault | kind | study | networks | why, and what sees it |", "|---|---|---|---|---|"]
    lines += [
        f"| {_what(one)} | {one.kind} | {one.study} | {_number(one.announced)} | {one.unseen} |" for one in found if one.unseen
    ]
    return "\n".join(line.replace("P(|z|", "P(\\|z\\|") for line in lines)


def _what(one: Found) -> str:
    return f"{one.name}: {one.says}" if one.says else one.name


def _number(networks: int | None) -> str:
    return "" if networks is None else f"{networks:,}"
