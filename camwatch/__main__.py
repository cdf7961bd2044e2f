"""`python -m camwatch`: the command line."""

import sys

from camwatch.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
