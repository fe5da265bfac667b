"""Generated TOML texts, most of them malformed: a study is read, or refused in one sentence. Nothing else may happen.

Texts are the example and small studies with bytes, lines, keys and values changed, and studies put together at random from keys and
values of every kind.
"""

from __future__ import annotations

import json
import random
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fanin.engine.errors import SpecificationError
from fanin.studies import Study
from fanin.study_example import EXAMPLE
from fanin.study_file import load_study

_MOST_MEMORY = 256 << 20
_SMALL = """quantities = ["z.mean", "z.tail[2]"]
[ensembles.a]
widths = [[4, 1], [6, 2]]
scheme = ["normal:1/fan_in+normal:1", "he_uniform"]
inputs = "bernoulli:0.5"
[[claims]]
ensemble = "a"
quantity = "z.variance"
predicted = 3
tolerance = "1%"
"""
_KEYS = (
    "name purpose networks quantities ensembles claims widths scheme activation inputs tails ensemble quantity predicted tolerance "
    "source expect network x a.b é"
).split()
_VALUES = r"""
1; 0; -1; 1e7; 1e400; nan; -inf; true; 1979-05-27; 07:32:00; 999999999999999999999999999999; 0x10; 1_000; ""; 'x'; []; {};
"standard"; "he_normal"; "normal:1/fan_in"; "normal:nan"; "half-on"; "on:3"; "digits"; "x.csv"; "/dev/zero"; [1]; [10, 1];
[[10, 1]]; [[10, 1], [4, 1]]; [1.0, 5.0]; [[[1]]]; ["a", 1]; ["standard", "scaled"]; [nan]; "z.mean"; "z.tail[5]"; "z.tail[-]";
["z.mean"]; ["z.law", "z.quantile[0.9]"]; "confirmed"; "0.5%"; "\u0000"; {a = 1}; {widths = [10, 1]}; {a = {widths = [10, 1]}};
[{ensemble = "a", quantity = "z.mean"}]; [[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]
""".replace("\n", " ").split("; ")


def outcome(text: bytes, load: Callable[[Path], Any] = load_study) -> Study | str:
    """The study, or the sentence that refuses the text. AssertionError for anything else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.toml"
        path.write_bytes(text)
        try:
            found = load(path)
        except SpecificationError as error:
            if "\n" in str(error) or len(str(error)) > 2000:
                raise AssertionError(f"not one short sentence: {error}\n{text!r}") from error
            return str(error)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{text!r}") from error
    assert isinstance(found, Study), f"{found!r}\n{text!r}"
    assert found.ensembles, "a study without ensembles"
    return found


def _changed(choose: random.Random) -> bytes:
    """A valid text with a few changes of bytes, lines or values."""
    lines = choose.choice((EXAMPLE, _SMALL)).encode().splitlines()
    for _ in range(choose.randint(1, 3)):
        lines = lines or [b""]
        at = choose.randrange(len(lines))
        kind = choose.randrange(6)
        if kind == 0:
            line = bytearray(lines[at] or b" ")
            line[choose.randrange(len(line))] = choose.randrange(256)
            lines[at] = bytes(line)
        elif kind == 1:
            del lines[at]
        elif kind == 2:
            lines.insert(at, lines[choose.randrange(len(lines))])
        elif kind == 3 and b"=" in lines[at]:
            lines[at] = lines[at].split(b"=")[0] + b"= " + choose.choice(_VALUES).encode()
        elif kind == 4 and b"=" in lines[at]:
            lines[at] = choose.choice(_KEYS).encode() + b" =" + lines[at].split(b"=", 1)[1]
        else:
            lines = lines[: at + 1]
    return b"\n".join(lines)


def _made_up(choose: random.Random) -> bytes:
    """Keys and values at random, in tables that a study has."""

    def pairs(most: int) -> list[str]:
        keys = choose.sample(_KEYS, choose.randint(0, most))
        return [f"{json.dumps(key, ensure_ascii=False)} = {choose.choice(_VALUES)}" for key in keys]

    lines = pairs(2)
    for label in choose.sample(("a", "b", "c[1]", ""), choose.randint(0, 3)):
        lines += [f"[ensembles.{json.dumps(label)}]", f"widths = {choose.choice(('[10, 1]', choose.choice(_VALUES)))}", *pairs(2)]
    for _ in range(choose.randint(0, 2)):
        lines += ["[[claims]]", 'ensemble = "a"', f"quantity = {choose.choice(_VALUES)}", *pairs(2)]
    return "\n".join(lines).encode()


def fuzz_studies(count: int = 100_000, seed: int = 501) -> str:
    """Read generated texts and say how many were studies."""
    choose = random.Random(seed)
    studies = 0
    tracemalloc.start()
    for _ in range(count):
        studies += isinstance(outcome(choose.choice((_changed, _made_up))(choose)), Study)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < _MOST_MEMORY, f"{peak >> 20} MiB"
    return f"{count:,} texts: {studies:,} read as studies, {count - studies:,} refused in a sentence; peak {peak / 2**20:.0f} MiB"
