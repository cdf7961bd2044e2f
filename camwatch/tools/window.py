"""A window on the desktop, where there is one."""

import subprocess
import sys
import time
from types import TracebackType
from typing import Self

import cv2

from camwatch.errors import InputError
from camwatch.records import Picture

_TRIAL = "import cv2; cv2.namedWindow('camwatch'); cv2.waitKey(1)"
_KEYS = frozenset({27, ord("q")})
_LONGEST = 1.0


class Window:
    """Shows pictures until somebody closes it, or presses q or Esc.

    Args:
        title: Of the window.
        paced: Whether to show pictures at the speed of their times, as for a recording.

    Attributes:
        closed: Whether it was closed.

    Raises:
        InputError: No window can be opened here.
    """

    def __init__(self, title: str, *, paced: bool) -> None:
        """Try it in another process first: where there is no display, the toolkit ends the process that asks."""
        tried = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=60, check=False)
        if tried.returncode:
            raise InputError("--show: no window can be opened here; --annotate OUT.mp4 writes a video instead")
        self.closed = False
        self._title, self._paced = title, paced
        self._began: tuple[float, float] | None = None
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if not self.closed:
            cv2.destroyWindow(self._title)

    def show(self, seconds: float, picture: Picture) -> None:
        """Show a picture, (h, w, 3) uint8 RGB, of a time in seconds on any one clock."""
        if self.closed:
            return
        cv2.imshow(self._title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(max(1, round(self._wait(seconds) * 1000)))
        if key & 0xFF in _KEYS or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self.__exit__(None, None, None)
            self.closed = True

    def _wait(self, seconds: float) -> float:
        now = time.monotonic()
        if self._began is None or not self._paced:
            self._began = (seconds, now)
        wait = (seconds - self._began[0]) - (now - self._began[1])
        if not 0 <= wait <= _LONGEST:
            self._began = (seconds, now)  # too slow, or a gap: begin to count anew
            return 0.0
        return wait
