"""Monte Carlo of random neural networks at initialization, and verdicts with a stated error rate.

`Ensemble` says what is sampled, `simulate` samples it, `verify` compares a result or a study with the theory.
Names are imported on first use, so that `import fanin` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanin import plot
    from fanin.broken_off import BrokenOff
    from fanin.comparison import Comparison, compare
    from fanin.data import load_inputs
    from fanin.diagnosis import Diagnosis, diagnose
    from fanin.engine.activation_spec import OwnActivation
    from fanin.engine.errors import SpecificationError
    from fanin.engine.inputs import Inputs
    from fanin.engine.network_replay import jacobian_singular_values, replay
    from fanin.engine.recipes import SCHEMES
    from fanin.engine.schemes import Law, Scheme
    from fanin.engine.spec import Ensemble
    from fanin.executors import open_executor
    from fanin.report import Report
    from fanin.result import Result
    from fanin.result_file import load_report
    from fanin.run_planning import Plan, plan
    from fanin.sampling import simulate
    from fanin.stats.verdict import Claim, Verdict
    from fanin.store import Store
    from fanin.studies import STUDIES, Study
    from fanin.study_file import load_study
    from fanin.verification import verify

__version__ = "0.1.0"

_HOMES = {
    "BrokenOff": "fanin.broken_off",
    "Claim": "fanin.stats.verdict",
    "Comparison": "fanin.comparison",
    "Diagnosis": "fanin.diagnosis",
    "Ensemble": "fanin.engine.spec",
    "Inputs": "fanin.engine.inputs",
    "Law": "fanin.engine.schemes",
    "OwnActivation": "fanin.engine.activation_spec",
    "Plan": "fanin.run_planning",
    "Report": "fanin.report",
    "Result": "fanin.result",
    "SCHEMES": "fanin.engine.recipes",
    "STUDIES": "fanin.studies",
    "Scheme": "fanin.engine.schemes",
    "SpecificationError": "fanin.engine.errors",
    "Store": "fanin.store",
    "Study": "fanin.studies",
    "Verdict": "fanin.stats.verdict",
    "compare": "fanin.comparison",
    "diagnose": "fanin.diagnosis",
    "jacobian_singular_values": "fanin.engine.network_replay",
    "load_inputs": "fanin.data",
    "load_report": "fanin.result_file",
    "load_study": "fanin.study_file",
    "open_executor": "fanin.executors",
    "plan": "fanin.run_planning",
    "replay": "fanin.engine.network_replay",
    "simulate": "fanin.sampling",
    "verify": "fanin.verification",
}

__all__ = [
    "SCHEMES",
    "STUDIES",
    "BrokenOff",
    "Claim",
    "Comparison",
    "Diagnosis",
    "Ensemble",
    "Inputs",
    "Law",
    "OwnActivation",
    "Plan",
    "Report",
    "Result",
    "Scheme",
    "SpecificationError",
    "Store",
    "Study",
    "Verdict",
    "compare",
    "diagnose",
    "jacobian_singular_values",
    "load_inputs",
    "load_report",
    "load_study",
    "open_executor",
    "plan",
    "plot",
    "replay",
    "simulate",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "plot":
        return importlib.import_module("fanin.plot")
    if name not in _HOMES:
        raise AttributeError(f"module 'fanin' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
