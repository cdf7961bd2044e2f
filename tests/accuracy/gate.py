"""The accuracy gate: figures that are expected, with tolerances, and what is said where others were measured.

`expected.json` holds them in two parts: `footage`, which every machine can measure, and `kit`, for where there is one.
A figure that is better than expected by more than its tolerance is told as well: then the table is to be raised, so
that the next loss is seen.
"""

import json
from collections.abc import Mapping
from math import nan
from pathlib import Path

import pytest

EXPECTED = Path(__file__).with_name("expected.json")
"""`{"version": 1, PART: {FIGURE: [expected, tolerance]}}`."""
_VERSION = 1


def expected(part: str) -> dict[str, tuple[float, float]]:
    """The figures of one part, each with its tolerance."""
    table = json.loads(EXPECTED.read_text("utf-8"))
    assert table["version"] == _VERSION, EXPECTED
    return {name: (float(figure), float(tolerance)) for name, (figure, tolerance) in table[part].items()}


def differences(wanted: Mapping[str, tuple[float, float]], got: Mapping[str, float]) -> str:
    """A table of all figures, those marked that are out of tolerance or on one side only; empty where none is."""
    lines, wrong = [f"  {'figure':52} {'expected':>9} {'got':>9} {'tolerance':>9}"], False
    for name in dict.fromkeys([*wanted, *got]):
        figure, tolerance = wanted.get(name, (nan, nan))
        measured = got.get(name, nan)
        fits = abs(measured - figure) <= tolerance + 1e-9  # what is not there is like nothing
        wrong |= not fits
        lines.append(f"{' ' if fits else '!'} {name:52} {figure:9.4f} {measured:9.4f} {tolerance:9.4f}")
    return "\n".join(lines) if wrong else ""


def check(part: str, got: Mapping[str, float]) -> None:
    """Fail the test where a figure is not as expected, with the whole table."""
    table = differences(expected(part), got)
    if table:
        pytest.fail(f"accuracy is not as {EXPECTED.name} says, marked:\n{table}", pytrace=False)
