"""The orders of words, dieharder on them, and their equality with Random123's, at small sizes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fanin.engine import stream
from tests import reference
from tests.campaigns import batteries, random123, words


@pytest.mark.parametrize("order", words.ORDERS)
def test_orders_hold_the_words_they_name(order):
    key = stream.stream_key(501, "campaign")
    pages = words.pages(order, 501)
    first, second = next(pages), next(pages)
    for number, page in enumerate((first, second)):
        places = words.places(order, number)
        for place in (0, 1, len(places) + 3, page.size // 2 + 5, page.size - 1):
            row, lane = divmod(place, stream.BLOCK) if order == "engine" else divmod(place, len(places))[::-1]
            role, index, layer, block = map(int, places[row])
            assert page[place] == reference.word(key, role, index, layer, block * stream.BLOCK + lane)
    assert not np.array_equal(first, second)


def test_no_order_reads_a_word_twice():
    for order in words.ORDERS:
        seen = np.concatenate([words.places(order, page) for page in (0, 1, 2, 499, 500, 501, 999, 1000)])
        assert np.unique(seen, axis=0).shape == seen.shape


OUTPUT = """#=============================================================================#
        test_name   |ntup| tsamples |psamples|  p-value |Assessment
#=============================================================================#
        diehard_dna|   0|   2097152|     100|0.40981802|  PASSED  
         sts_serial|  11|    100000|     100|0.99953286|   WEAK   
"""  # noqa: W291


def test_results_of_dieharder_are_read():
    dna, weak = batteries.parse(OUTPUT)
    assert str(dna) == "diehard_dna 0 p = 0.40981802 of 100 PASSED, a test that dieharder calls suspect"
    assert weak == batteries.Result("sts_serial", 11, 100_000, 100, 0.99953286, "WEAK")


@pytest.mark.skipif(not shutil.which("dieharder"), reason="the program dieharder is not installed")
def test_dieharder_catches_a_bit_that_is_more_often_one():
    (result,), sent = batteries.run_test(words.pages("network", 501), 100)
    assert result.word == "PASSED"
    assert sent >= 4 * 100 * 100_000

    def biased():
        for page in words.pages("network", 501):
            page[::32] |= np.uint32(1)
            yield page

    (result,), _ = batteries.run_test(biased(), 100)
    assert result.word == "FAILED"


def test_the_hash_of_words_is_that_of_the_twin():
    key, value = stream.stream_key(501, "campaign"), 0
    for group in range(512):
        for word in reference.philox((group | 64 << 16, 0, 1, 0), key):
            value = ((value ^ word) * 0x100000001B3 + (value >> 29)) % 2**64
    assert random123.hash_of_words(1, key, 64) == value


@pytest.mark.skipif(
    not (shutil.which("g++") and Path("/usr/include/Random123/philox.h").exists()),
    reason="Random123's header or g++ is not installed",
)
def test_words_equal_those_of_random123():
    assert random123.random123(1_000_000).startswith("1,001,472 words equal")
