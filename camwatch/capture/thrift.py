"""When a live stream may be decoded in part: pictures on which no other depends are skipped where enough are left.

Cameras that send B pictures, or layers in time, send some that nothing is predicted from. A decoder can leave them out
at no harm to the rest, and with H.264 at 1080p that saves up to half of its work.
"""

import math

TRY = 2.5
"""How many times the wanted rate a stream must deliver before skipping is tried."""
ENOUGH = 1.5
"""How many times the wanted rate must be left, so that a frame can be found near every point of the sampling grid."""
GAIN = 0.9
"""Skipping is kept where at most this share of the rate is left; where more is, there is hardly anything to skip."""
WINDOW = 4.0
"""Seconds over which a rate is counted: longer than the distance of two key pictures in most streams."""
AGAIN = 600.0
"""Seconds after which what did not work is tried again: a camera's settings may have changed."""


class Thrift:
    """Decides from the rate of decoded pictures whether those without dependants are skipped.

    Nothing is known of the stream beforehand: where it delivers far more than is wanted, skipping is tried, and given
    up where too little is left, then or later, or where hardly anything was skipped. The time of a try is short, and
    what is missing then are frames, never pictures that others need.

    Args:
        fps: Pictures wanted in a second; infinite to never skip.
    """

    def __init__(self, fps: float) -> None:
        """Before the first picture: everything is decoded."""
        self._fps = fps
        self._since: float | None = None
        self._count = 0
        self._whole = 0.0
        self._skipping = False
        self._tried = False
        self._not_before = -math.inf

    def skips(self, t: float, pictures: int = 1) -> bool:
        """Whether to skip from now on; call it for everything that the decoder gave.

        Args:
            t: When it came, seconds on any one clock that only rises.
            pictures: How many pictures it was.
        """
        if self._since is None:
            self._since = t
        elif t - self._since >= WINDOW:
            self._judge((self._count + pictures) / (t - self._since), t)
            self._since, self._count = t, 0
        else:
            self._count += pictures
        return self._skipping

    def _judge(self, rate: float, t: float) -> None:
        if not self._skipping:
            if rate >= TRY * self._fps and t >= self._not_before:
                self._skipping, self._tried, self._whole = True, False, rate
            return
        vain = not self._tried and rate > GAIN * self._whole
        self._tried = True
        if vain or rate < ENOUGH * self._fps:
            self._skipping = False
            self._not_before = t + AGAIN
