"""The engine's words against Random123's own C++ header (Debian: librandom123-dev, g++), by one hash over all of them in order."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from fanin.engine import philox, stream
from fanin.engine._jit import kernel

_SOURCE = r"""
#include <Random123/philox.h>
#include <cstdio>
#include <cstdlib>
int main(int, char **argv) {
  const unsigned long blocks = strtoul(argv[1], nullptr, 10);
  const uint32_t k0 = strtoul(argv[2], nullptr, 10), k1 = strtoul(argv[3], nullptr, 10), role = strtoul(argv[4], nullptr, 10);
  uint64_t hash = 0;
  for (unsigned long block = 0; block < blocks; ++block)
    for (uint32_t group = 0; group < 512; ++group) {
      const uint32_t layer = 1 + block % 7;
      const uint32_t index = block % 1001, high = block >> 32;
      philox4x32_ctr_t c = {{group | role << 16, index, layer | high << 16, (uint32_t)block}};
      philox4x32_key_t k = {{k0, k1}};
      philox4x32_ctr_t r = philox4x32_R(10, c, k);
      for (int i = 0; i < 4; ++i) hash = (hash ^ r[i]) * 0x100000001b3ull + (hash >> 29);
    }
  printf("%llu\n", (unsigned long long)hash);
}
"""


@kernel
def _hash(value, first, second):
    for group in range(first.size):
        for pair in (first[group], second[group]):
            for word in (pair & np.uint64(0xFFFFFFFF), pair >> np.uint64(32)):
                value = (value ^ word) * np.uint64(0x100000001B3) + (value >> np.uint64(29))
    return value


@kernel
def _hash_blocks(blocks, key, role, first, second):
    value = np.uint64(0)
    for block in range(blocks):
        philox.fill_words(first, second, key, role, np.uint64(block % 1001), np.uint64(1 + block % 7), np.uint64(block))
        value = _hash(value, first, second)
    return value


def random123(count: int = 1_000_000_000) -> str:
    """Hash of the same words from Random123 and from the engine, for the second word of a weight (role `WEIGHT | MORE`)."""
    blocks, role = -(-count // stream.BLOCK), stream.WEIGHT | stream.MORE
    key = stream.stream_key(501, "campaign")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "words.cpp"
        source.write_text(_SOURCE)
        subprocess.run(["g++", "-O2", "-o", f"{folder}/words", str(source)], check=True)
        command = [f"{folder}/words", str(blocks), *map(str, key), str(role)]
        theirs = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    ours = hash_of_words(blocks, key, role)
    if ours != theirs:
        raise SystemExit(f"the words differ from Random123's: {ours:x} against {theirs:x}")
    return f"{blocks * stream.BLOCK:,} words equal Random123's (hash {ours:016x})"


def hash_of_words(blocks: int, key: tuple[int, int], role: int) -> int:
    """The hash of the engine's words."""
    buffers = [np.zeros(stream.BLOCK // 4, np.uint64) for _ in range(2)]
    return int(_hash_blocks(blocks, (np.uint64(key[0]), np.uint64(key[1])), np.uint64(role), *buffers))
