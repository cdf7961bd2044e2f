"""Both ways hand over every picture, and their costs are compared."""

import pytest

from camwatch.tools.bench import handover
from camwatch.tools.bench.report import section


def test_ring_and_queue(no_leftovers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_COUNT", 2)
    monkeypatch.setattr(handover, "SIZES", ("64x36",))
    [told] = handover.handover(rounds=1, seconds=0.0)
    assert [row["label"] for row in told["rows"]] == ["ring", "pickling queue", "conversion alone"]
    assert all(row["cpu_ms"]["median"] > 0 for row in told["rows"])
    result = {"section": "handover", "threads": None, "comparisons": [told]}
    assert any("| 64x36 | ring |" in line for line in section({"results": [result]}, "handover"))
