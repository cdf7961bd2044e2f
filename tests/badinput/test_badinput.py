"""The short form of the bench of bad input; `make badinput` is the long one."""

import pytest

from tests.badinput.bench import run, table
from tests.badinput.kinds import MODULES, kind_called

DRAWN = 80
"""Inputs of each kind beside the named ones."""


@pytest.mark.parametrize("name", MODULES)
def test_every_input_is_refused_in_one_line_or_read_right(name: str) -> None:
    kind = kind_called(name)
    count = DRAWN + len(kind.named)

    tally = run(kind, seed=1, count=count)

    assert tally.findings == [], "\n".join([table([tally]), *tally.findings])
    assert tally.inputs >= count and tally.refused + tally.accepted == tally.inputs
    assert tally.refused > 0
