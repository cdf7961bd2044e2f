"""Network cameras: one connection over RTSP, or HTTP (MJPEG and the like), through FFmpeg."""

import errno
import math
import time
from typing import Literal, get_args

import av
from av.container import InputContainer

from camwatch.capture.address import mask
from camwatch.capture.live import LiveSource
from camwatch.capture.trust import ENCRYPTED, Trust
from camwatch.errors import SourceRefused, SourceUnavailable

Transport = Literal["tcp", "udp"]

_FINAL = frozenset({"unauthorized", "not_found"})
_GREETING = 3.0
"""Seconds for finding out why an encrypted connection failed."""


def network_source(
    url: str,
    *,
    transport: Transport = "tcp",
    timeout: float = 10.0,
    wanted_fps: float = math.inf,
    trust: Trust | None = None,
) -> LiveSource:
    """A camera on the network.

    The timeouts are PyAV's own, which interrupt FFmpeg wherever it waits: FFmpeg's options for it differ between
    protocols, are ignored without a word where misspelt, and RTSP's fires only after twice the time. Two waits are
    timed, connecting and learning what the stream is, so a camera may need twice `timeout` until it is given up.
    Resolving a host name is not interrupted; the system's resolver has its own limit.

    Certificates of `rtsps` and `https` are verified. FFmpeg shows its objection as an input/output error, of which the
    cause is then asked for.

    Args:
        url: `rtsp`, `rtsps`, `http` or `https`, with credentials if need be (percent-encoded where they have `@:/`).
        transport: How RTSP sends its pictures; `rtsps` always uses TCP.
        timeout: Seconds.
        wanted_fps: See `open_source`.
        trust: Which certificates are believed; by default those that the system's authorities have signed.

    Raises:
        ValueError: `transport` or `timeout` is impossible.
    """
    if transport not in get_args(Transport):
        raise ValueError(f"transport is tcp or udp, not {transport!r}")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
    trust = trust or Trust()
    options = trust.options()
    options["fpsprobesize"] = "0"  # do not wait for frames only to guess a rate: opens about a second sooner
    scheme = url.partition("://")[0].lower()
    if scheme in ("rtsp", "rtsps"):
        options["rtsp_transport"] = "tcp" if scheme == "rtsps" else transport
        options["allowed_media_types"] = "video"  # sound would cost bandwidth, and hide that pictures have stopped

    def connect() -> InputContainer:
        begun = time.monotonic()
        try:
            return av.open(url, mode="r", options=options, timeout=(timeout, timeout), metadata_errors="replace")
        except av.FFmpegError as error:
            failed = error
        # Out here, as FFmpeg's error holds the whole address and must not be the context of ours.
        if scheme in ENCRYPTED and failed.errno == errno.EIO and time.monotonic() - begun < timeout:
            objection = trust.objection(url, timeout=min(timeout, _GREETING))
            if objection is not None:
                reason, words = objection
                problem = SourceRefused if reason == "certificate" else SourceUnavailable
                raise problem(f"{mask(url)}: {words}", reason)
        raise failed

    return LiveSource(mask(url), connect, timeout=timeout, final=_FINAL, wanted_fps=wanted_fps)
