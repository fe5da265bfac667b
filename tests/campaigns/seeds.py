"""The built-in studies over many seeds: how often every claim is as expected."""

from __future__ import annotations

from fanin.verification import verify


def seeds(study: str, count: int, networks: int | None = None) -> str:
    """How often a study is as expected over seeds 1 to count, at its default size or another.

    SystemExit where a word is wrong more often than alpha allows.
    """
    codes = [verify(study, networks=networks, seed=seed).exit_code for seed in range(1, count + 1)]
    wrong, open_ = codes.count(1), codes.count(3)
    said = f"{codes.count(0)} of {count} seeds wholly as expected, {wrong} with a wrong word, {open_} with something undecided"
    if wrong > max(3, count // 20):  # alpha is 0.01: four of a hundred have probability 0.02, four of twenty 4e-5
        raise SystemExit(f"{study}: {said}")
    return said
