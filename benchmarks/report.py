"""Puts the figures of `camwatch bench --json` into docs/performance.md: `python -m benchmarks.report RESULTS.json`.

A table of the page stands between `<!-- bench NAME -->` and `<!-- end -->`, where NAME is a section or `machine`. What
is between is replaced; tables of sections that the results do not have stay as they are.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camwatch.files import write_whole
from camwatch.tools.bench.report import machine, section

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BLOCK = re.compile(r"(<!-- bench (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Render one file of results into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="what `camwatch bench --json` printed")
    parser.add_argument("--into", type=Path, default=PAGE, metavar="PAGE", help="default: docs/performance.md")
    arguments = parser.parse_args()
    told = json.loads(arguments.results.read_text("utf-8"))
    write_whole(arguments.into, rendered(arguments.into.read_text("utf-8"), told).encode(), mode=0o644)
    return 0


def rendered(page: str, told: Mapping[str, Any]) -> str:
    """The page with the tables that these results have."""
    there = {result["section"] for result in told["results"]}

    def block(match: re.Match[str]) -> str:
        name = match[2]
        if name == "machine":
            lines = machine(told)
        elif name in there:
            lines = section(told, name)
        else:
            return match[0]
        return match[1] + "\n" + "\n".join(lines) + "\n\n" + match[3]

    return _BLOCK.sub(block, page)


if __name__ == "__main__":
    sys.exit(main())
