"""Predictions, intervals and verdicts.

This package imports numpy and scipy and, of fanin, only the engine's plain types (`spec`, `schemes`, `inputs`, `accumulators`,
`errors`). It never samples networks.
"""
