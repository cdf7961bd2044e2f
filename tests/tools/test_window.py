"""The window: it is tried before it is opened, shows recordings at their speed, and can be closed."""

import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from camwatch.errors import InputError
from camwatch.tools import window as module
from camwatch.tools.window import Window

GREY = np.full((8, 8, 3), (10, 20, 30), np.uint8)


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A desktop that notes what is shown and how long it was waited; `now` is the clock, `key` is pressed."""
    seen = SimpleNamespace(now=100.0, key=-1, visible=1.0, shown=[], waits=[], closed=0)

    def wait(milliseconds: int) -> int:
        seen.waits.append(milliseconds)
        seen.now += milliseconds / 1000
        return int(seen.key)

    def close(title: str) -> None:
        seen.closed += 1

    monkeypatch.setattr(module.time, "monotonic", lambda: seen.now)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: SimpleNamespace(returncode=0))
    for name, stand_in in {
        "namedWindow": lambda title, flags: None,
        "imshow": lambda title, picture: seen.shown.append(picture),
        "waitKey": wait,
        "getWindowProperty": lambda title, what: seen.visible,
        "destroyWindow": close,
    }.items():
        monkeypatch.setattr(module.cv2, name, stand_in)
    yield seen


def test_recordings_are_shown_at_their_speed(desktop: SimpleNamespace) -> None:
    with Window("door", paced=True) as window:
        for t in (0.0, 0.2, 0.4, 60.0, 60.1):
            window.show(t, GREY)
    assert desktop.waits == pytest.approx([1, 199, 200, 1, 99], abs=1)
    assert (desktop.shown[0][0, 0] == (30, 20, 10)).all() and desktop.closed == 1


def test_live_pictures_are_shown_at_once(desktop: SimpleNamespace) -> None:
    with Window("door", paced=False) as window:
        for t in (0.0, 0.2, 0.4):
            window.show(t, GREY)
    assert desktop.waits == [1, 1, 1]


@pytest.mark.parametrize("how", [{"key": ord("q")}, {"key": 27}, {"visible": 0.0}])
def test_it_can_be_closed(desktop: SimpleNamespace, how: dict[str, Any]) -> None:
    with Window("door", paced=False) as window:
        window.show(0.0, GREY)
        vars(desktop).update(how)
        window.show(0.2, GREY)
        assert window.closed
        window.show(0.4, GREY)
    assert len(desktop.shown) == 2 and desktop.closed == 1


def test_where_the_trial_fails_no_window_is_opened(desktop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: SimpleNamespace(returncode=-6))
    with pytest.raises(InputError, match="no window can be opened here"):
        Window("door", paced=False)
