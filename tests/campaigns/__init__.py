"""Long checks behind `make campaign`; their results stand in docs/trust.md."""
