"""The named initialization schemes of the literature and of the frameworks. Plain types; imports no numba.

A name of the literature means what the paper says. Where a framework means something else by the same name, its scheme carries the
framework's name: `he_normal` is He's plain normal law, `keras.he_normal` the truncated one that Keras draws. Facts about frameworks
are those of PyTorch 2.13, Keras 3.15, JAX 0.10, Flax 0.12, Haiku 0.0.17, TensorFlow's BERT and OpenAI's GPT-2.
"""

from __future__ import annotations

import difflib
import re

from fanin.engine.errors import SpecificationError
from fanin.engine.schemes import LAW_FORM, Law, Scheme, parse_law

_UNIT = Law("normal", 1.0)
_NIELSEN = "Nielsen, Neural Networks and Deep Learning, ch. 3"
_LECUN = "LeCun, Bottou, Orr and Mueller 1998, sec. 4.6"
_GLOROT = "Glorot and Bengio 2010, eq. 12 and 16"
_HE = "He, Zhang, Ren and Sun 2015, eq. 10"
_SAXE = "Saxe, McClelland and Ganguli 2014"
_KERAS = "Keras 3.15, keras.initializers"
_JAX = "JAX 0.10, jax.nn.initializers"
_TORCH = "PyTorch 2.13"
_THIRD = Law("uniform", 1.0 / 3.0, "fan_in")
_CUT = "truncated at 2 standard deviations and rescaled: the variance is kept"
_NOT_KEPT = "truncated at 2 standard deviations and not rescaled: 0.7737 of the variance is left"


def _cut(gain: float, fan: str) -> Law:
    return Law("truncated", gain, fan)


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme(_UNIT, _UNIT, "standard", _NIELSEN, "all parameters N(0, 1)"),
        Scheme(Law("normal", 1.0, "fan_in"), _UNIT, "scaled", _NIELSEN, "weights N(0, 1/n), biases N(0, 1)"),
        Scheme(Law("normal", 1.0, "fan_in"), None, "lecun_normal", _LECUN, "plain normal"),
        Scheme(Law("uniform", 1.0, "fan_in"), None, "lecun_uniform", _LECUN),
        Scheme(Law("normal", 1.0, "fan_avg"), None, "glorot_normal", _GLOROT, "also called xavier_normal; plain normal"),
        Scheme(Law("uniform", 1.0, "fan_avg"), None, "glorot_uniform", _GLOROT, "also called xavier_uniform"),
        Scheme(Law("normal", 2.0, "fan_in"), None, "he_normal", _HE, "also called kaiming_normal; plain normal"),
        Scheme(Law("uniform", 2.0, "fan_in"), None, "he_uniform", _HE, "also called kaiming_uniform"),
        Scheme(Law("orthogonal", 1.0, "fan_max"), None, "orthogonal", _SAXE, "Haar-distributed, gain 1"),
        Scheme(_THIRD, _THIRD, "torch.linear", f"{_TORCH}, torch.nn.Linear and ConvNd", "U(-1/sqrt(n), 1/sqrt(n)), bias too"),
        Scheme(Law("normal", 1.0), None, "torch.embedding", f"{_TORCH}, torch.nn.Embedding", "N(0, 1)"),
        Scheme(Law("uniform", 1.0, "fan_avg"), None, "torch.xavier_uniform_", f"{_TORCH}, torch.nn.init", "glorot_uniform"),
        Scheme(Law("normal", 1.0, "fan_avg"), None, "torch.xavier_normal_", f"{_TORCH}, torch.nn.init", "plain normal"),
        Scheme(Law("uniform", 2.0, "fan_in"), None, "torch.kaiming_uniform_", f"{_TORCH}, torch.nn.init", "defaults: a=0, fan_in"),
        Scheme(Law("normal", 2.0, "fan_in"), None, "torch.kaiming_normal_", f"{_TORCH}, torch.nn.init", "plain normal"),
        Scheme(Law("truncated", 1.0, raw=True), None, "torch.trunc_normal_", f"{_TORCH}, torch.nn.init", f"defaults: {_NOT_KEPT}"),
        Scheme(Law("orthogonal", 1.0, "fan_max"), None, "torch.orthogonal_", f"{_TORCH}, torch.nn.init", "gain 1"),
        Scheme(Law("uniform", 1.0, "fan_avg"), None, "keras.dense", "Keras 3.15, Dense", "glorot_uniform, no bias at the start"),
        Scheme(Law("uniform", 1.0, "fan_avg"), None, "keras.glorot_uniform", _KERAS, "glorot_uniform"),
        Scheme(_cut(1.0, "fan_avg"), None, "keras.glorot_normal", _KERAS, _CUT),
        Scheme(_cut(2.0, "fan_in"), None, "keras.he_normal", _KERAS, _CUT),
        Scheme(Law("uniform", 2.0, "fan_in"), None, "keras.he_uniform", _KERAS, "he_uniform"),
        Scheme(_cut(1.0, "fan_in"), None, "keras.lecun_normal", _KERAS, _CUT),
        Scheme(Law("uniform", 1.0, "fan_in"), None, "keras.lecun_uniform", _KERAS, "lecun_uniform"),
        Scheme(Law("normal", 0.05**2), None, "keras.random_normal", _KERAS, "default standard deviation 0.05"),
        Scheme(Law("uniform", 0.05**2 / 3.0), None, "keras.random_uniform", _KERAS, "defaults: U(-0.05, 0.05)"),
        Scheme(Law("truncated", 0.05**2, raw=True), None, "keras.truncated_normal", _KERAS, f"default 0.05, {_NOT_KEPT}"),
        Scheme(_cut(1.0, "fan_in"), None, "flax.dense", "Flax 0.12, flax.linen.Dense", _CUT),
        Scheme(_cut(1.0, "fan_in"), None, "jax.lecun_normal", _JAX, _CUT),
        Scheme(_cut(1.0, "fan_avg"), None, "jax.glorot_normal", _JAX, _CUT),
        Scheme(_cut(2.0, "fan_in"), None, "jax.he_normal", _JAX, _CUT),
        Scheme(Law("normal", 0.01**2), None, "jax.normal", _JAX, "default standard deviation 0.01"),
        Scheme(Law("truncated", 0.01**2, raw=True), None, "jax.truncated_normal", _JAX, f"default 0.01, {_NOT_KEPT}"),
        Scheme(Law("truncated", 1.0, "fan_in", raw=True), None, "haiku.linear", "Haiku 0.0.17, hk.Linear", _NOT_KEPT),
        Scheme(Law("uniform", 1.0, "fan_in"), None, "caffe.xavier", "Caffe, XavierFiller", "lecun_uniform, not Glorot's law"),
        Scheme(Law("normal", 2.0, "fan_in"), None, "caffe.msra", "Caffe, MSRAFiller", "he_normal"),
        Scheme(Law("truncated", 0.02**2, raw=True), None, "bert", "Devlin et al. 2019, TensorFlow code", f"0.02, {_NOT_KEPT}"),
        Scheme(Law("normal", 0.02**2), None, "gpt2", "Radford et al. 2019, OpenAI code", "N(0, 0.02^2)"),
    )
}
"""Schemes by name."""

ALIASES = {
    "xavier_normal": "glorot_normal",
    "xavier_uniform": "glorot_uniform",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
}
"""Other names of the literature, by the first name of an author."""


def parse_scheme(text: str) -> Scheme:
    """A scheme by name, or "WEIGHTLAW" or "WEIGHTLAW+BIASLAW".

    >>> str(parse_scheme("uniform:1/fan_avg+normal:0.1"))
    'uniform:1/fan_avg+normal:0.1'
    """
    if ALIASES.get(text, text) in SCHEMES:
        return SCHEMES[ALIASES.get(text, text)]
    if ":" not in text:
        names = [*ALIASES, *SCHEMES]
        close = [name for name in names if text and text in name][:3] or difflib.get_close_matches(text, names, n=3)
        meant = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(SCHEMES)}."
        raise SpecificationError(f"scheme is {text!r}; {meant} For a law {LAW_FORM}")
    parts = re.split(r"\+(?=[a-z])", text)
    if len(parts) > 2:
        raise SpecificationError(f"scheme is {text!r}; give one law for the weights and at most one for the bias")
    return Scheme(parse_law(parts[0]), parse_law(parts[1]) if len(parts) == 2 else None)
