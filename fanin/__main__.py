"""`python -m fanin` is the command line."""

from fanin.cli import main

if __name__ == "__main__":
    main()
