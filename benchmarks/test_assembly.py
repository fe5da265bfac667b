"""What LLVM makes of the kernels that draw and of the rows of activations: packed arithmetic in wide registers, no libm.

Kernels are compiled afresh in a process of their own.
"""

from __future__ import annotations

import pathlib
import platform
import re

import pytest

from benchmarks.processes import run_module
from fanin.engine.activations import NAMES

PACKED = {
    "fill_words": (r"vpmuludq\s.*%[yz]mm",),
    "fill_normal": (r"vfmadd\d+ps\s.*%[yz]mm", r"vsqrtps\s.*%[yz]mm"),
}
"""A widening multiply of 32-bit words; fused multiply-adds and square roots of float32."""

SIMPLE = {
    "relu": r"vcmp\w*ps\s.*%[yz]mm",
    "leaky_relu": r"vmulps\s.*%[yz]mm",
    "hard_tanh": r"vcmp\w*ps\s.*%[yz]mm",
    "identity": r"vmovups\s.*%[yz]mm",
}
"""Packed instructions of the activations that are piecewise linear. All others have packed fused multiply-adds."""

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


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86-64 processor")
def test_activations_vectorised(tmp_path: pathlib.Path) -> None:
    """Packed arithmetic, no libm, and no 64-bit lanes where 32 bits would do."""
    listed = run_module("benchmarks.assembly", *NAMES, NUMBA_CACHE_DIR=str(tmp_path)).output
    listings = dict(part.split("\n", 1) for part in re.split(r"^# (?=\w+$)", listed, flags=re.MULTILINE)[1:])
    assert list(listings) == list(NAMES)
    for name, assembly in listings.items():
        assert re.search(SIMPLE.get(name, r"vfmadd\d+ps\s.*%[yz]mm"), assembly), f"{name} is not vectorised"
        assert not re.search(r"vcvtqq2ps|vpsraq|vpmovsxdq|vgather", assembly), f"{name} has 64-bit lanes or gathers"
        assert not [symbol for symbol in SYMBOL.findall(assembly) if LIBM.fullmatch(symbol)]
