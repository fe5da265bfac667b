"""Sampling of random neural networks: specifications, streams, kernels, accumulators.

This package imports numpy and numba and nothing else of fanin. `spec`, `accumulators` and `stream` hold
plain types and import no numba, so that statistics and the command line can read them cheaply.
A sampled number is a pure function of (ensemble, seed, method, place): see `philox`.
"""
