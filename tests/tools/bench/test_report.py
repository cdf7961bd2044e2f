"""What the tables say of where they come from, and of what could not be measured."""

from typing import Any

import pytest

from camwatch.tools.bench.report import machine, section, tables

MACHINE: dict[str, Any] = {
    "processor": "Some Processor 3000",
    "family": "25",
    "model": "1",
    "flags": ["avx2"],
    "cores": 2,
    "memory_gb": 8.6,
    "load_average": [0.5, 0.0, 0.0],
    "load_average_after": [1.5, 0.0, 0.0],
    "system": "Linux 6.1 x86_64",
    "python": "3.11.7",
    "packages": {"numpy": "2.4.6"},
}


def measured(name: str, threads: int | None = 1, *, rounds: int = 5, **of_machine: Any) -> dict[str, Any]:
    return {
        "section": name,
        "threads": threads,
        "camwatch": "0.1.0",
        "measured_at": f"2026-11-27T0{rounds}:00:00+00:00",
        "machine": MACHINE | of_machine,
        "settings": {"rounds": rounds, "seconds": 20.0, "footage": ["a.jpg"]},
        "rows": [{"label": "camwatch", "now_mb": 1000.4, "peak_mb": None}],
    }


def test_sections_of_one_machine_share_a_table_whatever_the_load() -> None:
    told = {"results": [measured("memory"), measured("memory", 2, load_average=[9.0, 0, 0]), measured("start", None)]}
    lines = machine(told)
    assert "| tables | memory, start |" in lines
    assert len([line for line in lines if "Some Processor" in line]) == 1


def test_sections_of_several_machines_are_never_under_one() -> None:
    told = {"results": [measured("memory"), measured("start", None, processor="Another"), measured("floor", cores=4)]}
    lines = machine(told)
    assert [line for line in lines if line.startswith("| tables")] == [
        "| tables | memory |",
        "| tables | start |",
        "| tables | floor |",
    ]
    assert len([line for line in lines if line.startswith("| processor")]) == 3


def test_each_section_says_itself_where_and_how() -> None:
    told = {"results": [measured("memory"), measured("memory", 2, rounds=7, processor="Another")]}
    one, two = (line for line in section(told, "memory") if line.startswith("Measured"))
    assert "2026-11-27T05:00:00+00:00" in one and "Some Processor 3000 (family 25, model 1), 2 cores" in one
    assert "load average 0.5 before, 1.5 after; rounds: at most 5, 20 s" in one and "footage: a.jpg." in one
    assert "2026-11-27T07:00:00+00:00" in two and "Another" in two and "rounds: at most 7" in two


def test_a_ratio_below_nothing_is_noise() -> None:
    pair = {"cpu": {"median": 19.2}, "wall": {"median": -700.1}}
    row = NONE | {"label": "ring"}
    handover = {"size": "1x1", "rows": [row], "ratio": pair, "ratio_without_conversion": pair}
    told = {"results": [{"section": "handover", "threads": None, "comparisons": [handover]}]}
    assert "| 1x1 | ring | - | - | 19.2 (-) | 19.2 (-) |" in section(told, "handover")


def test_results_without_a_section_have_a_head_only() -> None:
    assert tables({"results": []}) == ["## Machine", ""]


def test_memory_of_the_first_form_keeps_its_unit() -> None:
    old = {"section": "memory", "threads": 1, "rows": [{"label": "camwatch", "now": 1000.4, "peak": 1100.0}]}
    assert "|  | resident MiB after all of the above | at the peak |" in section({"results": [old]}, "memory")
    new = section({"results": [measured("memory")]}, "memory")
    assert "|  | resident MB after all of the above | at the peak |" in new
    assert "| camwatch | 1000 | - |" in new


PAIR = {"ours": "camwatch", "rival": "mtcnn", "cpu": None, "wall": {"median": None}}
NONE = {"label": "camwatch", "cpu_ms": None, "wall_ms": {"median": None, "low": None, "high": None, "count": 0}}
AGREED = dict.fromkeys(("faces", "distinct", "missed", "extra", "iou_median", "iou_1_percent", "iou_min"))


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("agreement", {"rows": [], "together": [{"label": "camwatch"} | AGREED]}),
        (
            "detect",
            {"comparisons": [{"size": "1x1", "min_face": 40, "rows": [NONE], "ratios": [PAIR], "same": []}]},
        ),
        ("embed", {"rows": [NONE], "ratios": [PAIR], "alike": [{"label": "camwatch", "to": "x", "cosine_min": None}]}),
        (
            "pipeline",
            {
                "comparisons": [
                    {
                        "scene": "talk",
                        "rows": [NONE],
                        "ratios": [PAIR],
                        "found": [{"label": "camwatch", "frames": 0, "faces": 0, "embedded": None}],
                    }
                ]
            },
        ),
        ("growth", {"lines": [{"by": "size", "value": "1x1", "rows": [NONE], "ratios": [PAIR]}]}),
        (
            "floor",
            {
                "rates": {"matrix product float32": {"cpu": None, "wall": None}},
                "frames": [
                    {
                        "size": "1x1",
                        "gflop": {"pnet": 1.0, "rnet": 1.0, "onet": 1.0},
                        "floor_ms": {"float32": None, "bfloat16": 0.0},
                        "rows": [
                            {
                                "label": "camwatch",
                                "cpu_ms": {"median": None},
                                "profile": [{"function": "f", "calls": 1.0, "own_ms": 1.0, "whole_ms": 1.0}],
                            }
                        ],
                    }
                ],
                "face": None,
            },
        ),
        ("memory", {"rows": [{"label": "camwatch", "now_mb": None, "peak_mb": None}]}),
        (
            "start",
            {
                "rows": [
                    {
                        "label": "camwatch",
                        "first_ready_s": None,
                        "ready_s": 1.0,
                        "stop_s": None,
                        "processes": [{"process": "main", "now_mb": None, "peak_mb": None, "shared_mb": None}],
                    }
                ]
            },
        ),
        (
            "handover",
            {
                "comparisons": [
                    {"size": "1x1", "rows": [NONE | {"label": "ring"}], "ratio": PAIR, "ratio_without_conversion": PAIR}
                ]
            },
        ),
    ],
)
def test_what_was_not_measured_is_a_dash(name: str, figures: dict[str, Any]) -> None:
    lines = section({"results": [{"section": name, "threads": None} | figures]}, name)
    assert any("-" in line.split("|", 2)[2] and "None" not in line for line in lines if line.startswith("| "))
    assert "None" not in "\n".join(lines)
