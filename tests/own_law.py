"""A law of one's own for tests, in a module that other processes can import."""

import numpy as np


def triangular(first, second):
    """The sum of two uniforms on (-1/2, 1/2)."""
    return np.float32((np.float64(first) + np.float64(second) + 1.0) * 2.0**-32 - 1.0)
