"""What the command line is to judge: built-in studies, a file, a folder of files, a result, or a network of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanin.engine.errors import SpecificationError

if TYPE_CHECKING:
    from fanin.report import Report
    from fanin.studies import Study

RESULTS = (".json", ".nc")
ALL = "all"
"""The name that stands for every built-in study."""


def is_folder(text: str | None) -> bool:
    """Whether the study is a folder of studies."""
    from fanin.studies import STUDIES

    try:
        return text is not None and text not in (ALL, *STUDIES) and Path(text).is_dir()
    except OSError as error:
        raise SpecificationError(f"study is {str(text)[:60]!r}...; it cannot be looked for: {error.strerror}") from None


def find_subjects(text: str, sampling: dict[str, Any]) -> list[Study | Report]:
    """The studies (or the report to judge again) that a name or a path stands for, all read before any work.

    sampling : options of sampling by name; a result is not sampled, and refuses them.
    """
    from fanin.studies import STUDIES, built_in
    from fanin.study_file import SUFFIX, find_study, load_study

    if text == ALL:
        return [built_in(name) for name in STUDIES]
    if is_folder(text):
        files = sorted(Path(text).glob(f"*{SUFFIX}"))
        if not files:
            raise SpecificationError(
                f"{text} is a folder without a {SUFFIX} file; fanin init {Path(text) / f'study{SUFFIX}'} writes one"
            )
        return [load_study(file) for file in files]
    if Path(text).suffix.lower() in RESULTS:
        from fanin.result_file import load_report

        if sampling:
            raise SpecificationError(
                f"--{next(iter(sampling))} is about sampling, and {text} is a result, which is only judged again"
            )
        return [load_report(text)]
    return [find_study(text)]


def check_own(study: str | None, own: dict[str, Any]) -> None:
    """Refuse the options of a network of one's own beside a study."""
    if study is not None and own:
        raise SpecificationError(f"--{next(iter(own))} describes a network of your own; it does not go with the study {study!r}")


def own_study(own: dict[str, Any]) -> Study:
    """The study of the network that --widths, --scheme, --activation, --inputs, --points, --cost and --targets describe."""
    from fanin.data import load_inputs
    from fanin.engine.spec import TARGETS, Ensemble
    from fanin.verification import study_of

    options: dict[str, Any] = dict(own)
    if "inputs" in own:
        options["inputs"] = load_inputs(own["inputs"])
    if "widths" in own:
        options["widths"] = tuple(_numbers(own["widths"], int, "widths are {!r}; write layer sizes such as 1000,1 or 784,256,10"))
    elif "inputs" in own and options["inputs"].data is not None:
        options["widths"] = (options["inputs"].data.shape[-1], 1)
    else:
        raise SpecificationError(f"--{next(iter(own))} needs the size of the neuron; add --widths n,1 such as --widths 1000,1")
    for name in ("scheme", "activation"):
        if ";" in (text := own.get(name, "")):
            options[name] = [one.strip() for one in text.split(";")]
    if "targets" in own:
        if own.get("cost", "none") in ("none", "linear"):
            raise SpecificationError(f"--targets {own['targets']} needs a cost that has targets; add --cost quadratic, say")
        if own["targets"] not in TARGETS:
            options["targets"] = _numbers(
                own["targets"], float, "targets are {!r}; write random, one-hot or a number for each output"
            )
    return study_of(Ensemble(**options))


def _numbers(text: str, kind: Any, complaint: str) -> list[Any]:
    """Numbers with commas between them."""
    try:
        return [kind(one) for one in text.split(",")]
    except ValueError:
        raise SpecificationError(complaint.format(text)) from None
