"""Webcams and other Video4Linux devices of this machine, through FFmpeg's device input."""

import av
from av.container import InputContainer

from camwatch.capture.live import LiveSource

_FINAL = frozenset({"unauthorized"})  # what is not there may be plugged in again


def webcam_source(address: str | int, *, timeout: float = 10.0) -> LiveSource:
    """A webcam by number (0 is `/dev/video0`) or by device; Linux only.

    The size and rate are the driver's default. A driver that hangs cannot be interrupted from here: `timeout` is
    for devices that deliver without ever making a picture. A device that is pulled out raises `SourceLost`.

    Raises:
        ValueError: `timeout` is impossible.
    """
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
    text = str(address)
    device = f"/dev/video{int(text)}" if text.isdecimal() else text

    def connect() -> InputContainer:
        return av.open(device, mode="r", format="v4l2", timeout=(timeout, timeout))

    return LiveSource(f"webcam {device}", connect, timeout=timeout, final=_FINAL)
