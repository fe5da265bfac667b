"""The error of a run that ends before it is done. The command line prints its text and exits with 4."""


class BrokenOff(RuntimeError):
    """Workers were lost, or a file could no longer be written. Its text is one sentence, with what was kept."""
