"""Laws of weights and biases, and the schemes made of them, by name or spelled out. Plain types; imports no numba.

A law is a family and a mean square; the mean square is a number, or a gain over fan-in n, fan-out m, their mean or the larger one.
The schemes of the literature and of the frameworks are in `recipes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fanin.engine.errors import SpecificationError
from fanin.engine.own_functions import function_hash

FAMILIES = ("normal", "uniform", "truncated", "constant", "rademacher", "laplace", "student", "orthogonal", "own")
FANS = ("fan_in", "fan_out", "fan_avg", "fan_max")
DEFAULT_CUT = 2.0


@dataclass(frozen=True, eq=False)
class OwnLaw:
    """A user's own law: a function from two random words (uint32) to a float32 of mean zero, compiled by Numba.

    variance, kurtosis : of what it returns (kurtosis 3 for a Gaussian), stated by the user and checked before the law is used.
    """

    function: Callable[..., Any]
    variance: float
    kurtosis: float

    @property
    def name(self) -> str:
        """The name of the function."""
        return getattr(self.function, "__name__", "function")

    def canonical(self) -> list[Any]:
        """Name, hash of the function, variance and kurtosis: what stands for the function in a digest."""
        return [self.name, function_hash(self.function), self.variance, self.kurtosis]


@dataclass(frozen=True)
class Law:
    """A law of one parameter: its mean square is `gain`, or `gain` divided by a fan.

    Parameters
    ----------
    family : str
        One of `FAMILIES`. All but "constant" have mean zero.
    gain : float
        Mean square, or mean square times the fan. For a constant it carries the sign of the value.
    over : str, optional
        "fan_in", "fan_out", "fan_avg" or "fan_max" (the larger of the two, as orthogonal matrices have it).
    shape : float, optional
        "truncated": the cut in standard deviations of the normal law before the cut (2 by default). "student": degrees of freedom,
        more than 2.
    zero : float
        Probability that a parameter is zero instead (sparse laws).
    raw : bool
        The gain is the mean square before the cut and the zeros, and is not kept by rescaling.

    Examples
    --------
    >>> Law("normal", 2.0, "fan_in").variance(fan_in=50, fan_out=1)
    0.04
    >>> round(Law("truncated", 1.0, "fan_in", raw=True).variance(100, 1), 8)
    0.00773741
    """

    family: str
    gain: float
    over: str | None = None
    shape: float | None = None
    zero: float = 0.0
    raw: bool = False
    own: OwnLaw | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise SpecificationError(f"the family of a law is {self.family!r}; known are {', '.join(FAMILIES)}")
        if self.over is not None and self.over not in FANS:
            raise SpecificationError(f"a variance is scaled over {self.over!r}; known are {', '.join(FANS)}")
        signed = self.family == "constant"
        if not _is_number(self.gain) or not math.isfinite(self.gain) or (self.gain < 0.0 and not signed):
            raise SpecificationError(f"the variance of a law is {self.gain!r}; it must be a finite number, at least 0")
        if not _is_number(self.zero) or not 0.0 <= self.zero < 1.0:
            raise SpecificationError(f"the share of zeros of a law is {self.zero!r}; it must be at least 0 and less than 1")
        object.__setattr__(self, "gain", float(self.gain))
        object.__setattr__(self, "zero", round(self.zero * 2**32) / 2**32)
        object.__setattr__(self, "shape", self._checked_shape())
        if self.family == "orthogonal" and self.zero:
            raise SpecificationError("an orthogonal law cannot be sparse: zeros would make it another law")
        if self.raw and self.family != "truncated" and not self.zero:
            raise SpecificationError(f"raw says that nothing is rescaled after a cut or zeros; {self.family} has neither")
        if (self.family == "own") != (self.own is not None):
            raise SpecificationError("a law of one's own is made by Law.from_function")

    def _checked_shape(self) -> float | None:
        shape = DEFAULT_CUT if self.family == "truncated" and self.shape is None else self.shape
        if self.family not in ("truncated", "student"):
            if shape is not None:
                raise SpecificationError(f"a {self.family} law has no cut and no degrees of freedom; it was given {shape!r}")
            return None
        least, name = (0.0, "cut") if self.family == "truncated" else (2.0, "number of degrees of freedom")
        if shape is None or not _is_number(shape) or not least < shape < 1e6:
            raise SpecificationError(
                f"the {name} of a {self.family} law is {shape!r}; it must be more than {least:g} and below 1e6"
            )
        return float(shape)

    @classmethod
    def from_function(
        cls, function: Callable[..., Any], variance: float, kurtosis: float, gain: float | None = None, over: str | None = None
    ) -> Law:
        """A law of one's own.

        Parameters
        ----------
        function : callable
            From two random words (uint32, independent and uniform) to a `numpy.float32` of mean zero; Numba compiles it. Functions
            of `fanin.engine.math` keep its bits the same on every machine.
        variance, kurtosis : float
            Of what it returns. A sample is drawn before the law is used, and a statement that does not fit is refused.
        gain, over
            As for `Law`; by default the values are used as they come.
        """
        for name, value in (("variance", variance), ("kurtosis", kurtosis)):
            if not _is_number(value) or not 0.0 < value < math.inf:
                raise SpecificationError(f"the {name} of a law of one's own is {value!r}; it must be a positive finite number")
        if not callable(function):
            raise SpecificationError(f"a law of one's own needs a function of two words, not {function!r}")
        own = OwnLaw(function, float(variance), float(kurtosis))
        return cls("own", own.variance if gain is None else gain, over, own=own)

    def _mean_square(self, fan_in: int, fan_out: int) -> float:
        fans = {
            None: 1.0,
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_max": max(fan_in, fan_out),
        }
        return abs(self.gain) / fans[self.over]

    @property
    def _kept(self) -> float:
        """Mean square after the cut and the zeros over that before."""
        cut = truncated_variance(self.shape) if self.family == "truncated" and self.shape else 1.0
        return cut * (1.0 - self.zero)

    def parent_std(self, fan_in: int, fan_out: int) -> float:
        """Standard deviation before the cut and the zeros; for a constant its value."""
        size = math.sqrt(self._mean_square(fan_in, fan_out) / (1.0 if self.raw else self._kept))
        return -size if self.gain < 0.0 else size

    def mean(self, fan_in: int, fan_out: int) -> float:
        """Mean of one draw: zero but for constants."""
        return self.parent_std(fan_in, fan_out) * (1.0 - self.zero) if self.family == "constant" else 0.0

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Variance of one draw for the given fans."""
        square = self._mean_square(fan_in, fan_out) * (self._kept if self.raw else 1.0)
        return square * self.zero if self.family == "constant" else square

    def __str__(self) -> str:
        size = f"{self.gain:g}/{self.over}" if self.over else f"{math.copysign(math.sqrt(abs(self.gain)), self.gain):g}"
        options = [f"cut={self.shape:g}"] if self.family == "truncated" and self.shape != DEFAULT_CUT else []
        options += [f"df={self.shape:g}"] if self.family == "student" else []
        options += [f"sparse={self.zero:g}"] if self.zero else []
        options += ["raw"] if self.raw else []
        return ",".join([f"{self.own.name if self.own else self.family}:{size}", *options])

    def canonical(self) -> dict[str, Any]:
        """The law in plain values."""
        return {
            "family": self.family,
            "gain": self.gain,
            "over": self.over,
            "own": None if self.own is None else self.own.canonical(),
            "raw": self.raw,
            "shape": self.shape,
            "zero": self.zero,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Law) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(str(self.canonical()))


def truncated_variance(cut: float) -> float:
    """Variance of N(0, 1) given |w| < cut.

    >>> round(truncated_variance(2.0) ** 0.5, 12)
    0.879625661034
    """
    if cut > 1.0:
        return 1.0 - 2.0 * cut * math.exp(-0.5 * cut**2) / (math.sqrt(2.0 * math.pi) * math.erf(cut / math.sqrt(2.0)))
    above = below = 0.0  # both integrals by their power series: the difference above would cancel
    term = 1.0
    for k in range(20):
        above += term / (2 * k + 3)
        below += term / (2 * k + 1)
        term *= -0.5 * cut**2 / (k + 1)
    return cut**2 * above / below


@dataclass(frozen=True)
class Scheme:
    """Laws of the weights and of the bias (None: no bias), with the source of the recipe and a note on its name."""

    weights: Law
    bias: Law | None = None
    name: str = ""
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.bias is not None and self.bias.family == "orthogonal":
            raise SpecificationError("a bias cannot be orthogonal; give it a law of independent draws")

    def __str__(self) -> str:
        return self.name or (f"{self.weights}+{self.bias}" if self.bias else str(self.weights))

    def canonical(self) -> dict[str, Any]:
        """The laws in plain values; name, source and note do not count."""
        return {"bias": None if self.bias is None else self.bias.canonical(), "weights": self.weights.canonical()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


LAW_FORM = "write normal:0.5 for a standard deviation, uniform:2/fan_in for a variance over a fan, or student:1,df=5"


def parse_law(text: str) -> Law:
    """Read "FAMILY:STD" or "FAMILY:GAIN/FAN", with the options ",cut=C", ",df=D", ",sparse=Q" and ",raw".

    >>> parse_law("normal:0.5").gain
    0.25
    >>> str(parse_law("truncated:1/fan_in,cut=3,raw"))
    'truncated:1/fan_in,cut=3,raw'
    """
    head, *options = text.split(",")
    family, _, size = head.partition(":")
    number, slash, fan = size.partition("/")
    value = _number(number, f"{text!r} is not a law; {LAW_FORM}")
    if not math.isfinite(value) or (value < 0.0 and family != "constant"):
        raise SpecificationError(f"the law {text!r} has size {number}; it must be a finite number, at least 0")
    if family not in FAMILIES or family == "own":
        known = ", ".join(name for name in FAMILIES if name != "own")
        raise SpecificationError(f"the law {text!r} is of the family {family!r}; known are {known}")
    settings: dict[str, Any] = {}
    for option in options:
        key, equals, given = option.partition("=")
        names = {"cut": "shape", "df": "shape", "sparse": "zero", "raw": "raw"}
        if key not in names or bool(equals) == (key == "raw") or names[key] in settings:
            raise SpecificationError(
                f"the law {text!r} has the option {option!r}; known are cut=C, df=D, sparse=Q and raw, each once"
            )
        if (key == "cut" and family != "truncated") or (key == "df" and family != "student"):
            raise SpecificationError(f"the law {text!r} has the option {option!r}, which does not go with {family}")
        settings[names[key]] = (
            True if key == "raw" else _number(given, f"the law {text!r} has {key} {given!r}; it must be a number")
        )
    if family == "student" and "shape" not in settings:
        raise SpecificationError(f"the law {text!r} needs its degrees of freedom, such as student:{size or 1},df=5")
    gain = value if slash else math.copysign(value * value, value)
    if not math.isfinite(gain):
        raise SpecificationError(f"the law {text!r} has a standard deviation beyond float32")
    return Law(family, gain, fan if slash else None, **settings)


def _number(text: str, complaint: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SpecificationError(complaint) from None
