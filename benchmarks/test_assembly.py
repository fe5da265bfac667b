"""What LLVM makes of the two kernels that draw: packed arithmetic in wide registers, and no call into libm.

Each kernel is compiled afresh in a process of its own.
"""

from __future__ import annotations

import pathlib
import platform
import re

import pytest

from benchmarks.processes import run_module

PACKED = {
    "fill_words": (r"vpmuludq\s.*%[yz]mm",),
    "fill_normal": (r"vfmadd\d+ps\s.*%[yz]mm", r"vsqrtps\s.*%[yz]mm"),
}
"""A widening multiply of 32-bit words; fused multiply-adds and square roots of float32."""

SYMBOL = re.compile(r"(?:callq?|jmp|movabsq)\s+\$?([A-Za-z_]\w*)")
LIBM = re.compile(r"\w*(exp|exp2|expm1|log|log2|log1p|sin|cos|sincos|tan|tanh|sqrt|pow|fma|erf)f?")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86-64 processor")
@pytest.mark.parametrize("kernel", PACKED)
def test_vectorised(kernel: str, tmp_path: pathlib.Path) -> None:
    assembly = run_module("benchmarks.assembly", kernel, NUMBA_CACHE_DIR=str(tmp_path)).output
    for pattern in PACKED[kernel]:
        assert re.search(pattern, assembly), f"{kernel} has no {pattern}"
    assert "vcvtqq2ps" not in assembly, f"{kernel} converts 64-bit integers where 32 bits would do"
    symbols = set(SYMBOL.findall(assembly))
    assert "PyArg_UnpackTuple" in symbols, "the pattern of a symbol finds none"
    assert not [symbol for symbol in symbols if LIBM.fullmatch(symbol)]
