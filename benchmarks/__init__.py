"""Benchmarks: what fanin costs, and the same work done by its peers in the same run. `make bench` runs them.

Programs (`peers`, `normals`, `second_thread`, `assembly`) do the work in processes of their own; the tests start them through
`processes`, print what they measured beside what is required, and fail where a requirement is missed.
"""
