"""The executor and the store that the command line asks for: opened once for all studies of a run, and closed at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from fanin.output import say

_kept = ["nothing was finished"]
"""What is said at the end of a run that broke off."""


@contextmanager
def opened_place(
    executor: str | None = None, workers: int | None = None, dask_address: str | None = None, store: str | None = None
) -> Iterator[dict[str, Any]]:
    """Keywords of `verify`: an executor and a store that are open."""
    given: dict[str, Any] = {}
    will_keep("nothing was kept; --store FILE keeps what is finished" if store is None else "nothing was begun")
    with ExitStack() as stack:
        if executor is not None or workers is not None or dask_address is not None:
            from fanin.executors import open_executor

            name = executor or ("threads" if dask_address is None else "dask")
            given["executor"] = stack.enter_context(open_executor(name, workers, dask_address, say))
        if store is not None:
            from fanin.store import Store

            given["store"] = stack.enter_context(Store(store, write=True, notice=say))
            will_keep(kept_in(store))
        yield given


def kept_in(store: str) -> str:
    """What a store keeps of a command that broke off, in words."""
    return f"what was finished is kept in {store}; the same command goes on from there"


def will_keep(words: str) -> None:
    """Say what remains where the command is broken off from now on."""
    _kept[:] = [words]


def what_is_kept() -> str:
    """What a command that broke off leaves, in words."""
    return _kept[0]
