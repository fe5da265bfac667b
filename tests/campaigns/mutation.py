"""Mutants of a module's source by the operators of cosmic-ray: one small change of one place each. Nothing is written to disk.

Left out are operators whose mutants say nothing of the tests. Mutants that are equivalent by nature: changes in annotations, which
nothing evaluates; sizes of caches; `is` for `==` and the reverse; decorators taken away. Mutants that die of a TypeError wherever
they run: bit operators in place of arithmetic.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

_KINDS = {"Add": 0, "Sub": 0, "Mul": 0, "Div": 0, "FloorDiv": 0, "Mod": 0, "Pow": 0}
_KINDS |= {"RShift": 1, "LShift": 1, "BitOr": 1, "BitAnd": 1, "BitXor": 1, "Is": 2, "IsNot": 2}
_KINDS |= {"Eq": 3, "NotEq": 3, "Lt": 3, "LtE": 3, "Gt": 3, "GtE": 3}
_LEFT_OUT = ("RemoveDecorator", "VariableReplacer", "VariableInserter")

Place = tuple[str, int, int, int]
"""Operator, occurrence, line, column."""


@dataclass(frozen=True)
class Mutant:
    """One change. function : first line, with decorators, of the innermost function that it stands in; 0 outside of functions."""

    operator: str
    line: int
    function: int
    before: str
    after: str
    source: str


def require_cosmic_ray() -> None:
    """Stop with one sentence where the generator of mutants is not installed."""
    if find_spec("cosmic_ray") is None:
        raise SystemExit("cosmic-ray, which makes the mutants, is not installed; pip install -e '.[mutants]' installs it")


@cache
def operators() -> dict[str, Any]:
    """The operators in use, by name."""
    from cosmic_ray import plugins

    found = {}
    for full in plugins.operator_names():
        name = full.removeprefix("core/")
        replaced = re.fullmatch(r"Replace(?:Binary|Comparison)Operator_(\w+)_(\w+)", name)
        if name in _LEFT_OUT or (replaced and _KINDS[replaced[1]] != _KINDS[replaced[2]]):
            continue
        found[name] = plugins.get_operator(full)()
    return found


def places(source: str) -> list[Place]:
    """Where the operators change a source; those left out for where they stand are among them."""
    from cosmic_ray.ast import ast_nodes, get_ast

    nodes = list(ast_nodes(get_ast(source)))
    found = []
    for name, operator in operators().items():
        positions = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        found += [(name, occurrence, *start) for occurrence, start in enumerate(positions)]
    return found


def mutant(source: str, place: Place) -> Mutant | None:
    """The mutant of a place; None where it is left out, is no Python, or is the same program."""
    from cosmic_ray.mutating import mutate_code

    name, occurrence, line, column = place
    tree = ast.parse(source)
    if any(_holds(part, line, column) for part in _idle(tree)):
        return None
    mutated = mutate_code(source, operators()[name], occurrence)
    if mutated is None:
        return None
    try:
        if ast.dump(ast.parse(mutated)) == ast.dump(tree):
            return None
        compile(mutated, "mutant", "exec")
    except SyntaxError:
        return None
    before, after = source.split("\n"), mutated.split("\n")
    at = next(k for k, (one, other) in enumerate(zip(before, after, strict=False)) if one != other)
    return Mutant(name, at + 1, enclosing(tree, at + 1), before[at].strip(), after[at].strip(), mutated)


def enclosing(tree: ast.Module, line: int) -> int:
    """First line, decorators included, of the innermost function around a line; 0 without one."""
    found = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if first <= line <= (node.end_lineno or 0):
                found = max(found, first)
    return found


def _idle(tree: ast.Module) -> list[ast.expr]:
    """Annotations, and sizes of caches."""
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            calls = [one for one in node.decorator_list if isinstance(one, ast.Call)]
            found += [node.returns, *(part.value for one in calls for part in one.keywords if part.arg == "maxsize")]
    return [node for node in found if node is not None]


def _holds(node: ast.expr, line: int, column: int) -> bool:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (node.lineno, node.col_offset) <= (line, column) < end
