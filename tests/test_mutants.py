"""The mutation campaign's own parts: what kills a mutant, what does not, and which tests are asked."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns import mutant_runner, mutation
from tests.campaigns.mutant_runner import LONGEST_TEST, MOST_SECONDS, Reach

SCRIPT = """
import json, sys
from pathlib import Path
import scipy.optimize, scipy.special, hypothesis, fanin.engine.spec, fanin.engine.stream
from tests.campaigns import mutant_runner

mutant_runner.LEAST_LIMIT = 3
file = "stats/verdict.py"
reach = mutant_runner.record(["tests/stats/test_verdict.py::test_rule", "fanin/stats/verdict.py"], (file,))
source = Path(file).read_text()
found = {}
for name, (before, after) in json.loads(sys.stdin.read()).items():
    assert before in source
    tests = reach.of(file, 0, [])
    found[name] = mutant_runner.survives(file, source.replace(before, after), tests, reach.seconds)
print(json.dumps([found, {f"{line}": sorted(tests) for (_, line), tests in reach.tests.items()}]))
"""

_START = "    if claim.assumed:\n        return ASSUMED\n"
CHANGES = {
    "nothing": ("", ""),
    "the same": ("claim.tolerance + claim.error\n", "claim.error + claim.tolerance\n"),
    "the rule": ("interval.low > claim.predicted + outer", "interval.low > claim.predicted - outer"),
    "what a doctest shows": ("    'confirmed'", "    'refuted'"),
    "what no test calls": ("not claim.assumed for claim", "claim.assumed for claim"),
    "no Python": ("import math", "import math math"),
    "a loop without an end": (_START, f"    while True:\n        pass\n{_START}"),
    "a crash": (_START, f"    __import__('os').abort()\n{_START}"),
}


def test_planted_mutants_are_killed_and_equivalent_ones_are_not():
    """With one test and the doctests of a module. A loop without an end is killed by its limit."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(command, input=json.dumps(CHANGES), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    survived, reached = json.loads(done.stdout.splitlines()[-1])
    assert {name for name, alive in survived.items() if alive} == {"nothing", "the same", "what no test calls"}
    source = Path("stats/verdict.py").read_text()
    line = next(at for at, one in enumerate(source.split("\n"), 1) if one.startswith("def word_for"))
    assert len(reached[str(line)]) == 9
    assert "fanin/stats/verdict.py::fanin.stats.verdict.judge" in reached[str(line)]


def test_the_cheapest_tests_come_first():
    seconds = {"a::x[1]": 0.3, "a::x[2]": 0.1, "a::y": 0.2, "a::slow": LONGEST_TEST + 1.0, "b::z": LONGEST_TEST}
    reach = Reach({("f.py", 5): {"a::x[1]", "a::x[2]", "a::y", "a::slow"}, ("g.py", 9): {"b::z"}}, seconds)
    assert reach.of("f.py", 5, ["g.py"]) == ["a::x[2]", "a::y", "a::x[1]"]
    assert reach.of("f.py", 0, ["g.py"]) == ["a::x[2]", "a::y", "a::x[1]", "b::z"]
    assert reach.of("f.py", 6, ["g.py"]) == []
    assert reach.of("f.py", 0, ["b"]) == ["a::x[2]", "a::y", "a::x[1]", "b::z"]
    assert reach.of("h.py", 0, ["b"]) == ["b::z"]
    many = {f"a::t{k:02}": LONGEST_TEST for k in range(99)}
    assert len(Reach({("f.py", 5): set(many)}, many).of("f.py", 5, [])) == int(MOST_SECONDS // LONGEST_TEST)


def test_importers_are_found():
    found = mutant_runner.importers("stats/planning.py")
    assert "stats/verdict.py" in found
    assert "tests/stats/test_planning.py" in found
    assert "stats/planning.py" not in found
    assert "stats/network_quantities.py" in mutant_runner.importers("engine/layer_summary.py")
    assert "tests/engine/test_accumulators.py" in mutant_runner.importers("engine/layer_summary.py")


SOURCE = """import functools
X: int = 1


@functools.lru_cache(maxsize=8)
def outer(a: int | None = 2) -> int | None:
    def inner():
        return 3
    return inner() + 4
"""


def test_places_are_known_by_their_function():
    tree = ast.parse(SOURCE)
    assert [mutation.enclosing(tree, line) for line in range(1, 10)] == [0, 0, 0, 0, 5, 5, 7, 7, 5]


def test_what_nothing_evaluates_is_left_out():
    idle = mutation._idle(ast.parse(SOURCE))
    lines = SOURCE.split("\n")
    held = {
        (line, column): any(mutation._holds(part, line, column) for part in idle)
        for line, text in enumerate(lines, 1)
        for column in range(len(text))
    }
    left_out = {lines[line - 1][column] for (line, column), out in held.items() if out}
    assert left_out == set("int8| None")
    assert held[5, lines[4].index("8")]
    assert held[6, lines[5].index("|")]
    assert held[6, lines[5].rindex("|")]
    for line, number in ((2, "1"), (6, "2"), (8, "3"), (9, "4")):
        assert not held[line, lines[line - 1].index(number)]


def test_without_the_generator_the_campaign_says_so(monkeypatch):
    monkeypatch.setattr(mutation, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"cosmic-ray, which makes the mutants, is not installed; pip install -e '\.\[mutants\]'"):
        mutation.require_cosmic_ray()
