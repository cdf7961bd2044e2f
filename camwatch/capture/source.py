"""What a source is, and which one an address means."""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

from camwatch.capture.address import kind, mask
from camwatch.capture.decode import RawFrame
from camwatch.capture.file import FileSource
from camwatch.capture.rtsp import Transport, network_source
from camwatch.capture.trust import Trust
from camwatch.capture.webcam import webcam_source

__all__ = ["Source", "Transport", "Trust", "mask", "open_source"]


class Source(Protocol):
    """One connection to a camera, or one pass over a recording. Who uses it decides about trying again."""

    @property
    def live(self) -> bool:
        """Whether frames come when they want (a camera) or when asked for (a recording)."""
        ...

    def frames(self) -> Iterator[RawFrame]:
        """Connect and yield frames as they come; blocks while there are none.

        Returns at the end of a recording, or soon after `close()`. A live source never ends by itself: its end is an
        error. Each call is a new connection.

        Raises:
            SourceUnavailable: It cannot be reached, or no picture ever came; it may come back.
            SourceLost: It was delivering and stopped.
            SourceRefused: It said no: wrong password, unknown path, no such file, not a video.
        """
        ...

    def close(self) -> None:
        """Make `frames()` end: at once, or where it is blocked waiting, at the latest when its timeout is over.

        May be called from any thread and more than once; a closed source yields no more frames.
        """
        ...


def open_source(
    address: str | int,
    *,
    transport: Transport = "tcp",
    timeout: float = 10.0,
    loop: bool = False,
    realtime: bool = False,
    start_at: float | None = None,
    on_wait: Callable[[], None] | None = None,
    wanted_fps: float = math.inf,
    trust: Trust | None = None,
) -> Source:
    """The source that an address means; nothing is opened before `frames()`.

    Args:
        address: An `rtsp`, `rtsps`, `http` or `https` URL, a webcam number (`0`) or device, or the path of a file.
        transport: How RTSP sends its pictures; `rtsps` always uses TCP.
        timeout: Seconds without a picture after which a live source is given up; also for connecting.
        loop: Start a recording again at its end, for ever.
        realtime: Deliver a recording at its own speed instead of as fast as it is read.
        start_at: When a recording began, UTC seconds; None is the moment `frames()` is called.
        on_wait: Called at least once a second while a recording waits for its time.
        wanted_fps: Pictures in a second that are wanted of a camera on the network: where far more come, those on
            which no other depends may be left out (`thrift.py`). A recording always gives all of its pictures.
        trust: Which certificates of `rtsps` and `https` are believed; by default those that the system trusts.

    Raises:
        SourceRefused: The address has a scheme that camwatch does not read.
        ValueError: `transport` or `timeout` is impossible.
    """
    text = str(address)
    match kind(text):
        case "network":
            return network_source(text, transport=transport, timeout=timeout, wanted_fps=wanted_fps, trust=trust)
        case "webcam":
            return webcam_source(text, timeout=timeout)
        case "file":
            return FileSource(text, loop=loop, realtime=realtime, start_at=start_at, on_wait=on_wait)
