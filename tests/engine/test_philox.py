"""Words: the published bijection, at the published places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.engine import philox, stream
from tests import reference

# Random123 1.14.0, tests/kat_vectors: philox4x32 with 10 rounds (counter, key, result).
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS)
def test_known_answers(counter, key, result):
    drawn = philox.philox(*(np.uint64(word) for word in (*counter, *key)))
    assert tuple(int(word) & 0xFFFFFFFF for word in drawn) == result
    assert reference.philox(counter, key) == result


def drawn_words(key, role, index, layer, block):
    first, second = np.zeros(stream.BLOCK // 4, np.uint64), np.zeros(stream.BLOCK // 4, np.uint64)
    philox.fill_words(first, second, tuple(map(np.uint64, key)), *map(np.uint64, (role, index, layer, block)))
    return np.concatenate([first.view(np.uint32), second.view(np.uint32)])


@given(
    key=st.tuples(*[st.integers(0, 2**32 - 1)] * 2),
    role=st.integers(0, 255),
    index=st.integers(0, stream.MAX_INDEX - 1),
    layer=st.integers(0, stream.MAX_LAYERS),
    block=st.integers(0, stream.MAX_BLOCKS - 1),
    lane=st.integers(0, stream.BLOCK - 1),
)
def test_every_network_has_its_own_word(key, role, index, layer, block, lane):
    words = drawn_words(key, role, index, layer, block)
    assert words[lane] == reference.word(key, role, index, layer, block * stream.BLOCK + lane)


def test_the_limits_of_the_bit_map_do_not_meet():
    """The largest value of each field leaves every other field alone."""
    key = (1, 2)
    top = [255, stream.MAX_INDEX - 1, stream.MAX_LAYERS, stream.MAX_BLOCKS - 1]
    seen = {drawn_words(key, 0, 0, 0, 0).tobytes()}
    for field in range(4):
        place = [0, 0, 0, 0]
        place[field] = top[field]
        seen.add(drawn_words(key, *place).tobytes())
    seen.add(drawn_words(key, 0, 0, 0, 1 << 32).tobytes())
    seen.add(drawn_words(key, 0, 0, 1, 0).tobytes())
    assert len(seen) == 7
    assert np.unique(drawn_words(key, 0, 0, 0, 0)).size > stream.BLOCK - 3


def test_labels_and_seeds_have_their_own_keys():
    keys = {stream.stream_key(seed, label) for seed in range(50) for label in ("direct:a", "direct:b")}
    assert len(keys) == 100
    assert stream.stream_key(501, "example") == reference.stream_key(501, "example")
