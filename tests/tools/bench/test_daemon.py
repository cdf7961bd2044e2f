"""The real daemon, as the bench starts, looks at and stops it."""

from typing import Any

import pytest

from camwatch.errors import CamwatchError
from camwatch.tools.bench.daemon import daemon


@pytest.mark.system
def test_every_process_is_looked_at_and_none_stays(footage: Any, no_leftovers: None) -> None:
    footage.path("single_face.mp4")
    told = daemon({}, seconds=1.0)
    assert told["first_ready_s"] > 0 and told["ready_s"] > 0 and told["stop_s"] >= 0
    held = {each["process"]: each for each in told["processes"]}
    assert set(held) == {"main", "inference", "reader 720p", "reader 1080p"}
    assert all(10 < each["now_mb"] <= each["peak_mb"] for each in held.values())


@pytest.mark.system
def test_a_daemon_that_does_not_start_is_told_with_its_last_words(footage: Any, no_leftovers: None) -> None:
    footage.path("single_face.mp4")
    with pytest.raises(CamwatchError, match=r"bench: the daemon ended with exit status 2: .*engine\.device"):
        daemon({"device": "abacus"}, seconds=1.0)
