"""`python -m camwatch`: the command line."""

import sys

from camwatch.cli import main

if __name__ == "__main__":
    sys.exit(main())
