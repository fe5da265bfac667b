"""Matrices between the few inputs of a network: float64, in a fixed order, semidefinite ones included."""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import kernel

_SMALL = 1e-13


@kernel
def cholesky(matrix, root):
    """Lower triangular root with root @ root.T = matrix, positive semidefinite (k, k). A pivot that is 0 but for rounding makes a
    column of zeros."""
    for a in range(matrix.shape[0]):
        for b in range(a + 1):
            total = matrix[a, b]
            for c in range(b):
                total -= root[a, c] * root[b, c]
            if a > b:
                root[a, b] = total / root[b, b] if root[b, b] > 0.0 else 0.0
                root[b, a] = 0.0
            else:
                root[a, a] = np.sqrt(total) if total > _SMALL * matrix[a, a] else 0.0


@kernel
def solve_factored(root, right, out):
    """A solution of root @ root.T @ out = right, zero where the root has a column of zeros: what a generalised inverse gives."""
    size = root.shape[0]
    for a in range(size):
        total = right[a]
        for c in range(a):
            total -= root[a, c] * out[c]
        out[a] = total / root[a, a] if root[a, a] > 0.0 else 0.0
    for a in range(size - 1, -1, -1):
        total = out[a]
        for c in range(a + 1, size):
            total -= root[c, a] * out[c]
        out[a] = total / root[a, a] if root[a, a] > 0.0 else 0.0
