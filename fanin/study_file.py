"""Studies written in TOML: read strictly, or refused in a sentence that names the key.

The form is that of `study.schema.json`, against which every file is checked (JSON Schema, draft 2020-12); the values are then
checked by the types that they become. A list where one value may stand makes a grid, which expands into an ensemble for each
combination (`study_grid`).
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.resources
import json
import math
import tomllib
from pathlib import Path
from typing import Any

from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.network_names import NETWORK_QUANTITIES, check_network_recorded, split_network_name
from fanin.stats.quantities import QUANTITIES, check_recorded, split_name
from fanin.stats.verdict import CONFIRMED, Claim
from fanin.studies import STUDIES, Study, built_in
from fanin.study_grid import MAX_ENSEMBLES, Grid, expanded, short

SUFFIX = ".toml"
MAX_BYTES = 1 << 20


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
    raise SpecificationError(f"study is {text!r}; known are {', '.join(STUDIES)}, all, {SUFFIX} files and folders of them")


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
    shown = short(value)
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


def _key_path(parts: Any) -> str:
    """The path of a key as one would write it: ensembles.he.widths[1]."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _study(path: Path, table: dict[str, Any]) -> Study:
    quantities = table.get("quantities")
    for number, quantity in enumerate(quantities or []):
        _at(f"quantities[{number}]", _split, quantity)
    for number, claim in enumerate(table.get("claims", [])):
        _at(f"claims[{number}].quantity", _split, claim["quantity"])
    named = [(claim["ensemble"], claim["quantity"]) for claim in table.get("claims", [])]
    groups: dict[str, Grid] = {}
    for name, given in table["ensembles"].items():
        wanted = [_split(one) for one in (*(quantities or []), *(quantity for label, quantity in named if _names(label, name)))]
        groups[name] = _at(f"ensembles.{name}", expanded, name, given, path.parent, wanted)
    ensembles = {label: ensemble for grid in groups.values() for label, ensemble in grid.ensembles.items()}
    methods = {label: method for grid in groups.values() for label, method in grid.methods.items()}
    if len(ensembles) > MAX_ENSEMBLES:
        raise SpecificationError(f"the grids make {len(ensembles):,} ensembles; a study may have {MAX_ENSEMBLES:,}")
    if len(ensembles) < sum(len(grid.ensembles) for grid in groups.values()):
        raise SpecificationError("ensembles make one label twice; give each a name of its own")
    study = Study(
        name=table.get("name", path.stem),
        purpose=table.get("purpose", ""),
        ensembles=ensembles,
        networks=int(table.get("networks", 10_000_000)),
        quantities=None if quantities is None else tuple(quantities),
        method=table.get("method", "direct"),
        methods=methods,
    )
    claims: list[Claim] = []
    for number, given in enumerate(table.get("claims", [])):
        claims += _at(f"claims[{number}]", _claims, number, given, groups, study)
    if len({claim.id for claim in claims}) < len(claims):
        raise SpecificationError("two claims about one quantity of one ensemble have one name; give each a name of its own")
    return dataclasses.replace(study, claims=tuple(claims))


def _split(name: str) -> tuple[str, float | None]:
    """Base and argument of a quantity of a single layer or of a network; the complaint is of the kind with the nearest name."""
    base, known = name.partition("[")[0], dict.fromkeys([*QUANTITIES, *NETWORK_QUANTITIES])
    near = base if base in known else difflib.get_close_matches(base, known, n=1, cutoff=0.0)[0]
    return split_name(name) if near in QUANTITIES else split_network_name(name)


def _at(where: str, function: Any, *arguments: Any) -> Any:
    """What a function makes of a value, or its complaint with the key in front."""
    try:
        return function(*arguments)
    except SpecificationError as error:
        raise SpecificationError(f"{where}: {error}") from None


def _names(label: str, group: str) -> bool:
    """Whether a claim's label names the ensemble or grid, or one ensemble of the grid."""
    return label == group or label.startswith(f"{group}[")


def _claims(number: int, given: dict[str, Any], groups: dict[str, Grid], study: Study) -> list[Claim]:
    """The claims of one table: one for each ensemble that it names."""
    label = given["ensemble"]
    if label in groups:
        named = list(groups[label].ensembles)
    elif label in study.ensembles:
        named = [label]
    else:
        near = difflib.get_close_matches(label, [*groups, *study.ensembles], n=1, cutoff=0.0)[0]
        raise SpecificationError(f"ensemble is {label!r}; the nearest label is {near}")
    return [_claim(number, given, key, study) for key in named]


def _claim(number: int, given: dict[str, Any], label: str, study: Study) -> Claim:
    ensemble, quantity, layer = study.ensembles[label], given["quantity"], given.get("layer", 1)
    of_networks = ensemble.is_network or study.methods.get(label, study.method) == "conditional"
    if of_networks:
        check_network_recorded(quantity, ensemble, layer)
    elif layer != 1:
        raise SpecificationError(f"layer is {layer}; the ensemble {label} has the layer 1 only")
    elif not ensemble.inputs.drawn_once:
        check_recorded(quantity, ensemble)
    predicted, error, tolerance, source = given.get("predicted"), 0.0, given.get("tolerance"), given.get("source", "the study")
    kind = "exact"
    if predicted is None or tolerance is None:
        missing = "predicted" if predicted is None else "tolerance"
        theory = _prediction(quantity, layer, ensemble, study.networks, missing, of_networks)
        tolerance = theory.tolerance if tolerance is None else tolerance
        if predicted is None:
            predicted, error, source = theory.value, theory.error, given.get("source", theory.source)
            kind = theory.label if of_networks else kind
    if not math.isfinite(predicted):
        raise SpecificationError(f"predicted is {predicted}; it must be a finite number")
    if isinstance(tolerance, str):
        tolerance = float(tolerance.rstrip(" %")) / 100.0 * abs(predicted)
    return Claim(
        id=f"{label}/{layer}/{quantity}/{given.get('name', f'claim {number + 1}')}",
        ensemble=label,
        layer=layer,
        quantity=quantity,
        predicted=float(predicted),
        tolerance=float(tolerance),
        error=error,
        source=source,
        label=kind,
        expected=given.get("expect", CONFIRMED),
    )


def _prediction(quantity: str, layer: int, ensemble: Ensemble, networks: int, missing: str, of_networks: bool) -> Any:
    """What theory predicts, for what a claim leaves out."""
    inputs = ensemble.inputs
    if inputs.in_turn or inputs.drawn_once:
        raise SpecificationError(f"{missing} is missing; what theory says of inputs {inputs} depends on the run")
    try:
        if of_networks:
            from fanin.stats.network_theory import NetworkTheory

            return NetworkTheory(ensemble).predict(layer, quantity)
        from fanin.stats.predictions import Theory

        return Theory(ensemble, networks).predict(quantity)
    except SpecificationError as error:
        raise SpecificationError(f"{missing} is missing, and {error}") from None
