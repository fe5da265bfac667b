"""The theory of the forward pass says what it said: values, how wide errors and tolerances are, labels, and what it refuses."""

import pytest

from fanin.stats.forward_theory import THIRD
from tests.stats.forward_cases import CASES, record, recorded

KEPT = recorded()
ROUNDED = {"own activation", "own law", "own law as a bias"}
"""Cases with float32 functions of one's own, and libm's: their errors are estimates from differences of rounded numbers."""


def holds_error(found, kept, value, loose):
    """An error is what it was to 1 %; where it is an estimate made of rounding, within a factor of three, or below 1e-10."""
    if loose:
        return kept / 3.0 <= found <= 3.0 * kept or found + kept < 1e-10 * abs(value)
    return found == pytest.approx(kept, rel=0.01, abs=0.0)


def holds_number(found, kept, label):
    (value, error, words), (kept_value, kept_error, kept_words) = found, kept
    loose = label in ROUNDED or THIRD in words
    assert words == kept_words
    assert value == pytest.approx(kept_value, rel=1e-6 if label in ROUNDED else 1e-9 if loose else 1e-11, abs=0.0)
    assert holds_error(error, kept_error, value, loose), (error, kept_error)


def test_says_what_it_said():
    for label in CASES:
        says_what_it_said(label)


def says_what_it_said(label):
    found, kept = record(label), KEPT[label]
    rel = 1e-5 if label in ROUNDED else 1e-8
    assert found["reason"] == kept["reason"], label
    assert len(found["layers"]) == len(kept["layers"])
    for (numbers, values), (kept_numbers, kept_values) in zip(found["layers"], kept["layers"], strict=True):
        for number, kept_number in zip(numbers, kept_numbers, strict=True):
            assert number == (None if kept_number is None else pytest.approx(kept_number, rel=rel, abs=1e-14)), label
        for value, kept_value in zip(values, kept_values, strict=True):
            holds_number(value, kept_value, label)
    assert set(found["predictions"]) == set(kept["predictions"])
    for name, prediction in found["predictions"].items():
        before = kept["predictions"][name]
        assert prediction[-1] == before[-1], (label, name)
        if len(prediction) > 1:
            value, error, tolerance, words = prediction
            assert value == pytest.approx(before[0], rel=rel, abs=1e-13), (label, name)
            assert tolerance == pytest.approx(before[2], rel=rel, abs=0.0), (label, name)
            exact_law = words.startswith("exact") and "z is Gaussian" not in words
            assert holds_error(error, before[1], value, label in ROUNDED or exact_law), (label, name, error, before[1])
