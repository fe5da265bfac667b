"""What tests of input files share: a table, images, and the sentence of a refusal."""

import numpy as np
import pytest

import fanin

TABLE = np.random.default_rng(5).normal(size=(7, 4))
IMAGES = (np.arange(24) * 11 % 256).astype(np.uint8).reshape(3, 2, 4)


def refusal(text):
    with pytest.raises(fanin.SpecificationError) as refused:
        fanin.load_inputs(str(text))
    sentence = str(refused.value)
    assert sentence.isprintable()
    assert len(sentence) < 1000
    return sentence
