"""The direction of imports, and what may be imported when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLAIN = {"spec", "schemes", "recipes", "inputs", "accumulators", "errors", "stream", "layer_summary", "activation_spec"}
ALLOWED = {"engine": {"numpy", "numba", "llvmlite"}, "stats": {"numpy", "scipy"}}


def imports(path):
    """Modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield from (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module in ("fanin.engine",) else [node.module]
            )


@pytest.mark.parametrize(
    "path", [*ROOT.glob("engine/*.py"), *ROOT.glob("stats/*.py")], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_direction(path):
    layer = path.parent.name
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "fanin":
            if layer == "engine":
                assert rest[0] == "engine"
            else:
                assert rest[0] == "stats" or rest[1] in PLAIN, name
        else:
            assert top in sys.stdlib_module_names | ALLOWED[layer], name


@pytest.mark.parametrize("path", [*ROOT.glob("fanin/**/*.py"), *ROOT.glob("tests/**/*.py")], ids=lambda path: path.name)
def test_nobody_imports_the_bare_folders(path):
    assert not {name.split(".")[0] for name in imports(path)} & {"engine", "stats"}


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_plain_types_import_no_numba(name):
    assert not {
        top for top in map(lambda m: m.split(".")[0], imports(ROOT / "engine" / f"{name}.py")) if top in ("numba", "llvmlite")
    }


HEAVY = ("numba", "scipy", "xarray", "sklearn", "matplotlib", "h5py", "jsonschema")


def loaded(code):
    program = f"import sys\n{code}\nprint([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr.strip()


def test_help_and_import_are_light():
    assert loaded("import fanin; fanin.__version__; fanin.Ensemble") == "[]"
    assert loaded("from fanin.cli import app; app(['--help'], result_action='return_value')") == "[]"
    assert loaded("from fanin.cli import app; app(['verify', '--help'], result_action='return_value')") == "[]"
