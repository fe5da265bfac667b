"""What kernels are compiled for: the CPU model and the width of the vectors that LLVM prefers on it. Imports llvmlite, not numba.

Numba reads NUMBA_CPU_NAME and NUMBA_CPU_FEATURES; the same two are read here, by its rules: without given features those of the
host count, whatever the name, unless it is "generic".
"""

from __future__ import annotations

import os
import re

import llvmlite.binding as llvm

_PROBE = """
define void @probe(ptr %a) "min-legal-vector-width"="0" {
  %x = load <16 x float>, ptr %a
  %y = fadd <16 x float> %x, %x
  store <16 x float> %y, ptr %a
  ret void
}
"""


def cpu_name() -> str:
    """The CPU that kernels are compiled for, in LLVM's names."""
    return os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()


def cpu_features() -> str:
    """The CPU features that kernels are compiled for, in LLVM's notation."""
    given = os.environ.get("NUMBA_CPU_FEATURES")
    if given is not None:
        return given
    return "" if cpu_name() == "generic" else llvm.get_host_cpu_features().flatten()


def vector_bits() -> int:
    """Width of a vector register in the code that LLVM writes here: seen in its assembly, not looked up."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=cpu_name(), features=cpu_features(), opt=3)
    assembly = machine.emit_assembly(llvm.parse_assembly(_PROBE))
    for register, bits in (("zmm", 512), ("ymm", 256)):
        if re.search(rf"%{register}\d", assembly):
            return bits
    return 128


def widen_vectors() -> None:
    """Let Numba use 512-bit vectors where the CPU has them and LLVM prefers narrower ones.

    For a process of our own, before numba is imported: it sets NUMBA_CPU_FEATURES unless the user has set one of the two.
    """
    if "NUMBA_CPU_NAME" in os.environ or "NUMBA_CPU_FEATURES" in os.environ:
        return
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and vector_bits() < 512:
        os.environ["NUMBA_CPU_FEATURES"] = f"{features.flatten()},-prefer-256-bit"
