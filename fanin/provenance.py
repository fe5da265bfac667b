"""Where a result comes from: versions, machine, vector width, git revision. What a bug report needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import fanin
from fanin.engine import stream

_PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "rich", "cyclopts", "xarray", "scikit-learn", "matplotlib", "h5netcdf", "h5py")


def provenance(threads: int | None = None) -> dict[str, Any]:
    """Versions and machine as plain values; None for what is not installed or not known."""
    from fanin.engine import machine

    return {
        "fanin": fanin.__version__,
        "stream": stream.VERSION,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu": _cpu_model(),
        "cpu_target": machine.cpu_name(),
        "vector_bits": machine.vector_bits(),
        "cores": os.cpu_count(),
        "threads": threads,
        "git_revision": _git_revision(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _git_revision() -> str | None:
    """The revision of the checkout that fanin is imported from, with "+" where files differ; None outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root)]
        revision = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        changes = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return revision.stdout.strip() + ("+" if changes.stdout.strip() else "")
