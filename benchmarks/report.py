"""Puts the figures of `camwatch bench --json` into docs/performance.md: `python -m benchmarks.report RESULTS.json ...`.

Of several files, each later one replaces what it measured too: the same section with as many threads. A table of the
page stands between `<!-- bench NAME -->` and `<!-- end -->`, where NAME is a section or `machine`. What is between is
replaced; tables of sections that the results do not have stay as they are. Each says itself where and when it was made,
and `machine` names the tables of which it speaks.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camwatch.files import write_whole
from camwatch.tools.bench.report import machine, section

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BLOCK = re.compile(r"(<!-- bench (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Render files of results into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="what `camwatch bench --json` printed")
    parser.add_argument("--into", type=Path, default=PAGE, metavar="PAGE", help="default: docs/performance.md")
    arguments = parser.parse_args()
    told = merged([json.loads(file.read_text("utf-8")) for file in arguments.results])
    write_whole(arguments.into, rendered(arguments.into.read_text("utf-8"), told).encode(), mode=0o644)
    return 0


def merged(runs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Several runs as one; each section keeps the machine, the settings and the time of its own run."""
    if len(runs) == 1:
        return runs[0]
    sections: dict[tuple[str, int | None], dict[str, Any]] = {}
    for told in runs:
        # in the first form, a run said this once for all its sections
        whole = {key: told[key] for key in ("camwatch", "measured_at", "machine", "settings") if key in told}
        for result in told["results"]:
            sections[result["section"], result["threads"]] = whole | result
    return {"schema": max(told["schema"] for told in runs), "results": list(sections.values())}


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
