"""Studies written in TOML: read strictly, or refused in a sentence that names the key.

The form is that of `study.schema.json`, against which every file is checked (JSON Schema, draft 2020-12); the values are then
checked by the types that they become. A list where one value may stand makes a grid, which expands into an ensemble for each
combination.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
import itertools
import json
import math
import tomllib
from pathlib import Path
from typing import Any

from fanin.data import load_inputs
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.quantities import check_recorded, split_name
from fanin.stats.verdict import CONFIRMED, Claim
from fanin.studies import STUDIES, Study, built_in

SUFFIX = ".toml"
MAX_BYTES = 1 << 20
MAX_ENSEMBLES = 1000
_TAILS = (1.0, 5.0)


def load_study(path: str | Path) -> Study:
    """Read a study.

    Parameters
    ----------
    path : str or Path
        A TOML file of the form of docs/study.schema.json. Data files that it names are looked for in its folder.

    Raises
    ------
    SpecificationError
        For what is not such a file: the sentence names file, key and value, and the nearest key where one is unknown.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "small.toml"
    >>> _ = path.write_text('[ensembles.a]\\nwidths = [10, 1]\\nscheme = ["standard", "scaled"]')
    >>> list(load_study(path).ensembles)
    ['a[standard]', 'a[scaled]']
    """
    path = Path(path)
    table = _parse(path)
    _check_form(path, table)
    try:
        return _study(path, table)
    except SpecificationError as error:
        raise SpecificationError(f"{path}: {error}") from None


def find_study(text: str) -> Study:
    """A built-in study by its name, or one in a TOML file by its path."""
    if text in STUDIES:
        return built_in(text)
    if Path(text).suffix.lower() == SUFFIX:
        return load_study(text)
    raise SpecificationError(f"study is {text!r}; known are {', '.join(STUDIES)}, {SUFFIX} files and folders of them")


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a study."""
    return json.loads(importlib.resources.files("fanin").joinpath("study.schema.json").read_text(encoding="utf-8"))


def _parse(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SpecificationError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
    if path.stat().st_size > MAX_BYTES:
        raise SpecificationError(f"{path} has {path.stat().st_size:,} bytes; a study has at most {MAX_BYTES:,}")
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise SpecificationError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SpecificationError(f"{path} is not a text in UTF-8; a study is a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecificationError(f"{path} is not TOML: {' '.join(str(error).split())}") from None
    except (RecursionError, ValueError):  # values nested without end, integers of thousands of digits
        raise SpecificationError(f"{path} is nested too deeply or holds a number of too many digits for a study") from None


def _check_form(path: Path, table: dict[str, Any]) -> None:
    """Refuse what the schema does not allow, with the key and the nearest valid one."""
    import jsonschema
    from jsonschema.exceptions import best_match

    error = best_match(jsonschema.Draft202012Validator(schema()).iter_errors(table))
    if error is not None:
        raise SpecificationError(f"{path}: {_sentence(error)}")


def _sentence(error: Any) -> str:
    where, value, limit = _key_path(error.absolute_path), error.instance, error.validator_value
    shown = _short(value)
    match error.validator:
        case "additionalProperties":
            known = error.schema["properties"]
            key = next(key for key in value if key not in known)
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            return f"{_key_path([*error.absolute_path, key])} is not a key; the nearest is {near} (known: {', '.join(known)})"
        case "required":
            missing = [key for key in limit if key not in value]
            return f"{where or 'the study'} has no {missing[0]}; it must have one"
        case "type":
            wanted = {"integer": "a whole number", "number": "a number", "string": "a text", "array": "a list", "object": "a table"}
            kinds = [limit] if isinstance(limit, str) else limit
            return f"{where} is {shown}; it must be {' or '.join(wanted[kind] for kind in kinds)}"
        case "enum":
            return f"{where} is {shown}; it must be {' or '.join(map(str, limit))}"
        case "minimum" | "exclusiveMinimum":
            return f"{where} is {shown}; it must be {'at least' if error.validator == 'minimum' else 'more than'} {limit}"
        case "maximum":
            return f"{where} is {shown}; it must be at most {limit}"
        case "pattern":
            return f'{where} is {shown}; it must be a number, or a share such as "0.5%"'
        case "uniqueItems":
            return f"{where} is {shown}; each may stand there once"
        case "minLength" | "minItems" | "minProperties":
            return f"{where or 'a label'} is {shown}; it must have at least {limit} {_unit(error.validator)}"
        case _:
            return f"{where or 'a label'} is {shown}; it must have at most {limit} {_unit(error.validator)}"


def _unit(validator: str) -> str:
    return {"Length": "character(s)", "Items": "item(s)", "Properties": "key(s)"}[validator[3:]]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _key_path(parts: Any) -> str:
    """The path of a key as one would write it: ensembles.he.widths[1]."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _study(path: Path, table: dict[str, Any]) -> Study:
    quantities = table.get("quantities")
    for number, quantity in enumerate(quantities or []):
        _at(f"quantities[{number}]", split_name, quantity)
    for number, claim in enumerate(table.get("claims", [])):
        _at(f"claims[{number}].quantity", split_name, claim["quantity"])
    named = [(claim["ensemble"], claim["quantity"]) for claim in table.get("claims", [])]
    groups: dict[str, dict[str, Ensemble]] = {}
    for name, given in table["ensembles"].items():
        wanted = [*(quantities or []), *(quantity for label, quantity in named if _names(label, name))]
        groups[name] = _at(f"ensembles.{name}", _expand, name, given, path.parent, _thresholds(wanted))
    ensembles = {label: ensemble for group in groups.values() for label, ensemble in group.items()}
    if len(ensembles) > MAX_ENSEMBLES:
        raise SpecificationError(f"the grids make {len(ensembles):,} ensembles; a study may have {MAX_ENSEMBLES:,}")
    if len(ensembles) < sum(map(len, groups.values())):
        raise SpecificationError("ensembles make one label twice; give each a name of its own")
    networks = int(table.get("networks", 10_000_000))
    claims: list[Claim] = []
    for number, given in enumerate(table.get("claims", [])):
        claims += _at(f"claims[{number}]", _claims, number, given, groups, ensembles, networks)
    if len({claim.id for claim in claims}) < len(claims):
        raise SpecificationError("two claims about one quantity of one ensemble have one name; give each a name of its own")
    return Study(
        name=table.get("name", path.stem),
        purpose=table.get("purpose", ""),
        ensembles=ensembles,
        claims=tuple(claims),
        networks=networks,
        quantities=None if quantities is None else tuple(quantities),
    )


def _at(where: str, function: Any, *arguments: Any) -> Any:
    """What a function makes of a value, or its complaint with the key in front."""
    try:
        return function(*arguments)
    except SpecificationError as error:
        raise SpecificationError(f"{where}: {error}") from None


def _names(label: str, group: str) -> bool:
    """Whether a claim's label names the ensemble or grid, or one ensemble of the grid."""
    return label == group or label.startswith(f"{group}[")


def _thresholds(quantities: list[str]) -> tuple[float, ...]:
    """The thresholds of |z| that quantities name."""
    named = [split_name(quantity) for quantity in quantities]
    return tuple(dict.fromkeys(argument for base, argument in named if base == "z.tail" and argument is not None))


def _expand(name: str, given: dict[str, Any], folder: Path, tails: tuple[float, ...]) -> dict[str, Ensemble]:
    """The ensembles of one table: one, or one for each combination of a grid."""
    axes = {key: value if _is_grid(key, value) else [value] for key, value in given.items()}
    if (size := math.prod(map(len, axes.values()))) > MAX_ENSEMBLES:
        raise SpecificationError(f"the grid makes {size:,} ensembles; a study may have {MAX_ENSEMBLES:,}")
    ensembles: dict[str, Ensemble] = {}
    for values in itertools.product(*axes.values()):
        options = dict(zip(axes, values, strict=True))
        varied = [_shown(options[key]) for key, choices in axes.items() if len(choices) > 1]
        label = f"{name}[{','.join(varied)}]" if varied else name
        if label in ensembles:
            raise SpecificationError(f"the grid holds {label} twice")
        ensembles[label] = _ensemble(options, folder, tails)
    return ensembles


def _is_grid(key: str, value: Any) -> bool:
    """Whether a list stands where one value may stand; widths and tails are lists themselves."""
    if key not in ("widths", "tails"):
        return isinstance(value, list)
    lists = sum(isinstance(item, list) for item in value)
    if 0 < lists < len(value):
        raise SpecificationError(f"{key} is {_short(value)}; a grid of {key} is a list of lists")
    return lists > 0


def _shown(value: Any) -> str:
    return "-".join(f"{item:g}" for item in value) if isinstance(value, list) else str(value)


def _ensemble(options: dict[str, Any], folder: Path, tails: tuple[float, ...]) -> Ensemble:
    recorded = tuple(float(t) for t in options.pop("tails", _TAILS))
    inputs = load_inputs(options.pop("inputs", "half-on"), folder)
    if "widths" not in options:
        if inputs.data is None:
            raise SpecificationError("widths are missing; write widths = [1000, 1]")
        options["widths"] = [inputs.data.shape[-1], 1]
    return Ensemble(**options, inputs=inputs, tails=tuple(dict.fromkeys((*recorded, *tails))))


def _claims(
    number: int, given: dict[str, Any], groups: dict[str, dict[str, Ensemble]], ensembles: dict[str, Ensemble], networks: int
) -> list[Claim]:
    """The claims of one table: one for each ensemble that it names."""
    label, quantity = given["ensemble"], given["quantity"]
    named = groups.get(label) or {key: ensemble for key, ensemble in ensembles.items() if key == label}
    if not named:
        near = difflib.get_close_matches(label, [*groups, *ensembles], n=1, cutoff=0.0)[0]
        raise SpecificationError(f"ensemble is {label!r}; the nearest label is {near}")
    return [_claim(number, given, key, quantity, ensemble, networks) for key, ensemble in named.items()]


def _claim(number: int, given: dict[str, Any], label: str, quantity: str, ensemble: Ensemble, networks: int) -> Claim:
    if not ensemble.inputs.drawn_once:
        check_recorded(quantity, ensemble)
    predicted, error, tolerance, source = given.get("predicted"), 0.0, given.get("tolerance"), given.get("source", "the study")
    if predicted is None or tolerance is None:
        theory = _prediction(quantity, ensemble, networks, "predicted" if predicted is None else "tolerance")
        tolerance = theory.tolerance if tolerance is None else tolerance
        if predicted is None:
            predicted, error, source = theory.value, theory.error, given.get("source", theory.source)
    if not math.isfinite(predicted):
        raise SpecificationError(f"predicted is {predicted}; it must be a finite number")
    if isinstance(tolerance, str):
        tolerance = float(tolerance.rstrip(" %")) / 100.0 * abs(predicted)
    return Claim(
        id=f"{label}/1/{quantity}/{given.get('name', f'claim {number + 1}')}",
        ensemble=label,
        layer=1,
        quantity=quantity,
        predicted=float(predicted),
        tolerance=float(tolerance),
        error=error,
        source=source,
        expected=given.get("expect", CONFIRMED),
    )


def _prediction(quantity: str, ensemble: Ensemble, networks: int, missing: str) -> Any:
    """What theory predicts, for what a claim leaves out."""
    from fanin.stats.predictions import Theory

    inputs = ensemble.inputs
    if inputs.in_turn or inputs.drawn_once:
        raise SpecificationError(f"{missing} is missing; what theory says of inputs {inputs} depends on the run")
    theory = Theory(ensemble, networks)
    try:
        return theory.predict(quantity)
    except SpecificationError as error:
        raise SpecificationError(f"{missing} is missing, and {error}") from None
