"""The one error that bad input raises. Its text is one sentence: what was wrong, the value, what would be right."""


class SpecificationError(ValueError):
    """A specification that cannot be sampled or judged. The command line prints its text and exits with 2."""
