"""The page on accuracy is made from the results, and says where others found more."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy_page import PAGE, behind, rendered

KINDS = ("still", "visit", "mixed")
SIZES = (1, 3, 10, 30, 100)


def found(rule: str, kind: str, share: float, **more: Any) -> list[dict[str, Any]]:
    row = {"rule": rule, "kind": kind, "photos": 3, "found": [share, share / 2], "limit": [0.5, 0.6]}
    return [row | {"people": people} | more for people in SIZES]


def results() -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        rows += found("camwatch", kind, 0.95, interval=[[0.9, 0.98], [0.3, 0.7]], best=[0.97, 0.95])
        rows += found("CompreFace", kind, 0.96 if kind == "visit" else 0.9, published=[0.99, 0.4])
        rows += found("Frigate as published", kind, 0.99, published=[0.92, 0.012])
    shares = {"named": 0.0031, "counted": 0.9, "true": 0.988, "found": 0.94, "misnamed": 0.0}
    asked = [
        {"kind": kind, "photos": 3, "people": people, "rate": rate} | shares
        for kind in KINDS
        for people in SIZES
        for rate in (0.05, 0.01)
    ]
    stills = {"probes": 185, "TPIR": 0.973, "misidentified": 0.0, "strangers": 200, "FPIR": 0.01}
    lower = stills | {"TPIR": 0.968}
    photos = {"faces": 44, "detected": 1.0, "known_faces": 36, "named_right": 34, "named_wrong": 0, "unknown_named": 0}
    videos = {"known_visits": 9, "recognised": 8, "false_names": 0, "repeated_events": 0}
    waits = {"names": 7, "p50": 0.4, "p95": 0.46}
    pair = {"alike": 0.756, "stills": [13, 1], "told": True, "both": [9, 9, 0], "one": [9, 7]}
    group = {"by": "height", "low": 64, "high": None, "probes": 10, "found": 0.9, "misnamed": 0.0, "strangers": 9}
    return {
        "measured_at": "2026-01-02T03:04:05+00:00",
        "camwatch": "1.2.3",
        "machine": {"cores": 2, "processor": "a processor"},
        "engine": {"runtime": "openvino"},
        "seconds": 600,
        "galleries": 200,
        "kit": {"people": 24, "fewest_stills": 10, "most_stills": 13, "strangers": 199, "lost": 3},
        "scored": {
            "float32": {"lfw": stills, "cctv 40px": stills, "photos": photos, "videos": videos, "waits": waits},
            "bfloat16": {"lfw": lower, "cctv 40px": stills, "photos": photos, "videos": videos, "waits": waits},
        },
        "found": rows,
        "asked": asked,
        "pairs": {"0.05": [pair], "0.01": [pair]},
        "groups": [group | {"named": 0.004}],
    }


@pytest.fixture(scope="module")
def page() -> str:
    return rendered(PAGE.read_text("utf-8"), results())


@pytest.mark.parametrize(
    "line",
    [
        "| stills: enrolled people found | 97.3 % of 185 | 96.8 % of 185 |",
        "| 3 | 10 | **95.0 (47.5)** | 90.0 (45.0) |",  # the best is bold, what has no threshold of its own left out
        "| 3 | 10 | 95.0 (47.5) | **96.0 (48.0)** |",
        "| still | 3 | 10 | 94.0 / 0.31 | 92.0 / 1.2 | 99.0 / 40.0 |",
        "| 3 | 30 | visit | CompreFace | 96.0 | 95.0 (90.0 to 98.0) |",
        "| 0.76 | 13 and 1 | yes | 9 | 9, 0 | 9, 0 | 7 of 9 | 7 of 9 |",
        "| height 64 and more | 10 | 90.0 | 0 | 0.40 |",
    ],
)
def test_the_tables_say_what_was_measured(page: str, line: str) -> None:
    assert line in page.splitlines()


def test_a_line_for_each_rate_and_a_column_for_each_size(page: str) -> None:
    assert "| 1 % | visit | 3 |" + " 0.31 (90.0, 98.8) |" * len(SIZES) in page
    assert "| 5 % | still | 3 |" + " 94.0 of 97.0 |" * len(SIZES) in page


def test_only_where_others_found_more_is_it_told() -> None:
    told = behind(results(), 0)
    assert {(theirs["rule"], theirs["kind"]) for theirs, _ in told} == {("CompreFace", "visit")}
    assert all(ours["rule"] == "camwatch" and ours["people"] == theirs["people"] for theirs, ours in told)


def test_rendered_twice_is_the_same_page(page: str) -> None:
    assert rendered(page, results()) == page


def test_the_plots_are_drawn(tmp_path: Path) -> None:
    plots = pytest.importorskip("benchmarks.accuracy_plots")
    plots.draw_all(results(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"accuracy_rules.png", "accuracy_asked.png"}
