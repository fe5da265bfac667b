"""What a store holds of a run: how far it reaches, its result, whether every row is sound; and several stores put into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fanin.block_ranges import Range, gaps
from fanin.engine.errors import SpecificationError
from fanin.engine.stream import MAX_BLOCKS
from fanin.layer_bytes import from_bytes, to_bytes
from fanin.provenance import provenance
from fanin.result import Result
from fanin.store import Store
from fanin.store.soundness import expect_sound
from fanin.store.specification import Specification
from fanin.summing import merged
from fanin.tasks import sampler_of


@dataclass(frozen=True)
class Extent:
    """How far a run of a store reaches.

    rows : how many. stored : bytes of their summaries. blocks : different ones. first_gap : blocks before the first one that is
    missing. block_size : networks of a block; None where the specification does not tell.
    """

    rows: int
    stored: int
    blocks: int
    first_gap: int
    block_size: int | None

    @property
    def networks(self) -> int | None:
        """Networks that are stored."""
        return None if self.block_size is None else self.blocks * self.block_size


def extent(store: Store, run: Specification) -> Extent:
    """How far a run reaches, by its ranges; rows are not opened."""
    rows, at, blocks, first_gap = 0, 0, 0, 0
    for one in store.ranges(run.key):
        rows += 1
        if one.first >= at:
            first_gap = one.last if one.first == first_gap else first_gap
            blocks += one.blocks
            at = one.last
    return Extent(rows, store.stored(run.key), blocks, first_gap, _block_size(run))


def _block_size(run: Specification) -> int | None:
    return None if run.ensemble is None else sampler_of(run.ensemble, run.method).block_size(run.ensemble)


def find_run(store: Store, key: str | None) -> Specification:
    """The run whose key begins as given; without one, the only run.

    Raises
    ------
    SpecificationError
        Where no run is meant, or several are.
    """
    runs = store.runs()
    found = [run for run in runs if key is None or run.key.startswith(key)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(run.key[:12] for run in runs[:8]) or "none"
    if key is None:
        raise SpecificationError(f"{store.path} holds {len(runs)} runs; say which: {known}")
    raise SpecificationError(f"{len(found)} runs of {store.path} begin with {key!r}; it holds {known}")


def result_of(store: Store, run: Specification) -> Result:
    """The result of a run as far as the store holds it without a gap. It is judged as a run that was watched, since a store grows
    as its user sees fit.

    Raises
    ------
    SpecificationError
        Where the first block is missing or damaged, the run has functions of the user's own, or its numbers contradict each other.
    """
    size = _block_size(run)
    if run.ensemble is None or size is None:
        raise SpecificationError(
            f"run {run.key[:12]} has functions of your own, which a store cannot hold; run it again with --store"
        )
    layers, at = {}, 0
    for blocks, summary in store.held(run.key, Range(0, MAX_BLOCKS)):
        if blocks.first != at:
            break
        layers = merged(layers, from_bytes(summary, run.ensemble, run.method, blocks.blocks * size))
        at = blocks.last
    if not at:
        raise SpecificationError(f"the first block of run {run.key[:12]} is not in {store.path}")
    try:
        expect_sound(layers, run.ensemble)
    except SpecificationError as error:
        raise SpecificationError(f"run {run.key[:12]} of {store.path} cannot be used: {error}") from None
    return Result(run.ensemble, at * size, run.seed, run.method, layers, 0.0, 1, provenance(1), watched=True)


def unsound(store: Store, run: Specification) -> int:
    """How many rows of a run cannot be used, or contradict smaller ones within their range; each is reported."""
    size, count = _block_size(run), 0
    parents: list[tuple[Range, list[Range]]] = []
    for blocks in store.ranges(run.key):
        summary = store.summary(run.key, blocks)
        try:
            if summary is not None and run.ensemble is not None and size is not None:
                expect_sound(from_bytes(summary, run.ensemble, run.method, blocks.blocks * size), run.ensemble)
        except SpecificationError as error:
            store.notice(f"{blocks} of run {run.key[:12]} cannot be used: {error}")
            summary = None
        count += summary is None
        while parents and parents[-1][0].last <= blocks.first:
            count += _contradicts(store, run, *parents.pop())
        if parents:
            parents[-1][1].append(blocks)
        parents.append((blocks, []))
    while parents:
        count += _contradicts(store, run, *parents.pop())
    return count


def _contradicts(store: Store, run: Specification, whole: Range, parts: Sequence[Range]) -> bool:
    """Whether a range does not have the sum of those that make it up."""
    size = _block_size(run)
    if run.ensemble is None or size is None or not parts or next(gaps(whole, parts), None) is not None:
        return False
    summaries = [store.summary(run.key, one) for one in (whole, *parts)]
    layers = {}
    for one, summary in zip(parts, summaries[1:], strict=True):
        if summary is None:
            return False
        layers = merged(layers, from_bytes(summary, run.ensemble, run.method, one.blocks * size))
    if summaries[0] is None or to_bytes(layers) == summaries[0]:
        return False
    store.notice(
        f"{whole} of run {run.key[:12]} is not the sum of the {len(parts)} rows within: a machine that computed them is faulty"
    )
    return True


@dataclass(frozen=True)
class Merged:
    """What became of the rows of a store that was merged: new ones, those that were there, places where some are lost."""

    new: int
    there: int
    lost: int


def merge(target: Store, source: Path, notice: Callable[[str], object]) -> Merged:
    """Put all rows of a store into another that can be used.

    Raises
    ------
    BrokenOff
        Where a range is in both with different numbers, or the target cannot be written.
    """
    new = there = lost = 0
    with Store(source, damaged=True, notice=notice) as store:
        for found in store.every_row():
            if found is None:
                lost += 1
            elif target.keep(*found):
                new += 1
            else:
                there += 1
    return Merged(new, there, lost)
