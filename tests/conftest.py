"""A fresh kernel cache for the whole session, derandomised Hypothesis, and the one error rate of stochastic tests."""

import os
import tempfile

if "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="fanin-test-")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("fanin", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fanin")

FALSE_FAILURE = 1e-6
"""Probability that a stochastic test would fail on a right program if its seed were drawn anew."""


@pytest.fixture
def false_failure() -> float:
    return FALSE_FAILURE
