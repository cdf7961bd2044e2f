"""The page of figures is made from the results, and only where they have something to say."""

import json
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.report import rendered

RESULTS: dict[str, Any] = {
    "machine": {},
    "results": [
        {"section": "memory", "threads": 1, "rows": [{"label": "camwatch", "now": 1000.4, "peak": 1100.0}]},
        {"section": "memory", "threads": 2, "rows": [{"label": "camwatch", "now": 1000.4, "peak": 1200.0}]},
    ],
}
PAGE = """\
# Page

<!-- bench memory -->
old
<!-- end -->

between

<!-- bench start -->
stays
<!-- end -->
"""


def test_tables_are_replaced_where_there_are_new_ones() -> None:
    page = rendered(PAGE, RESULTS)
    assert "old" not in page
    assert "| camwatch | 1000 | 1100 |" in page and "| camwatch | 1000 | 1200 |" in page
    assert "**1 thread**" in page and "**2 threads**" in page
    assert page.endswith(PAGE[PAGE.index("between") :])
    assert rendered(page, RESULTS) == page


def test_the_page_has_the_figures_of_the_results_beside_it() -> None:
    results = Path(report.__file__).parent / "results" / "bench.json"
    page = report.PAGE.read_text("utf-8")
    assert rendered(page, json.loads(results.read_text("utf-8"))) == page
