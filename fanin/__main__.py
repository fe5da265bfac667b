"""The command line: `fanin`, and `python -m fanin`."""

import signal


def main() -> None:
    """Run it. A signal that arrives before it listens to signals itself ends it without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from fanin import cli

    cli.main()


if __name__ == "__main__":
    main()
