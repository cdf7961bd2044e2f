"""The page of figures is made from the results, and only where they have something to say."""

import json
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.report import merged, rendered

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


def test_several_runs_are_put_together_and_each_section_keeps_its_own_machine() -> None:
    def run(processor: str, *sections: tuple[str, int | None]) -> dict[str, Any]:
        about = {"machine": {"processor": processor}, "measured_at": processor, "settings": {}, "camwatch": "0.1.0"}
        return {"schema": 2, "results": [{"section": name, "threads": count} | about for name, count in sections]}

    told = merged([run("one", ("memory", 1), ("start", None)), run("two", ("memory", 1), ("memory", 2))])
    assert [(r["section"], r["threads"], r["machine"]["processor"]) for r in told["results"]] == [
        ("memory", 1, "two"),
        ("start", None, "one"),
        ("memory", 2, "two"),
    ]
    assert "machine" not in told


def test_a_run_of_the_first_form_can_be_put_together_with_a_later_one() -> None:
    results = Path(report.__file__).parent / "results" / "bench.json"
    old = json.loads(results.read_text("utf-8"))
    new = {"schema": 2, "results": [result | {"machine": {"processor": "another"}} for result in old["results"][:1]]}
    told = merged([old, new])
    assert told["results"][0]["machine"]["processor"] == "another"
    assert {r["measured_at"] for r in told["results"][1:]} == {
        result.get("measured_at", old.get("measured_at")) for result in old["results"][1:]
    }
