"""Addresses of sources: what kind of thing one names, and how to show it without its credentials."""

import re
from typing import Literal

from camwatch.errors import SourceRefused

Kind = Literal["network", "webcam", "file"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_NETWORK = ("rtsp", "rtsps", "http", "https")
_SECRET = re.compile(r"\b(user\w*|usr|login\w*|pass\w*|pwd|token|auth\w*)=[^&;/#\s]+", re.IGNORECASE)


def mask(address: str) -> str:
    """The address as it may be shown: `rtsp://cam:secret@host/1` becomes `rtsp://***@host/1`.

    Everything before the last `@` of a URL goes, so that a password with an unescaped `@` or `/` in it goes whole, and
    so do the values of user and password parameters (`?usr=admin&pwd=secret`, also inside the path). Paths and
    webcam numbers are returned as they are.
    """
    scheme = _SCHEME.match(address)
    if scheme is None:
        return address
    rest = address[scheme.end() :]
    if "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]
    return scheme.group(0) + _SECRET.sub(r"\1=***", rest)


def kind(address: str) -> Kind:
    """What an address names: a stream on the network, a webcam (`0`, `/dev/video0`) or a file.

    Raises:
        SourceRefused: The URL has a scheme that camwatch does not read (reason `invalid`).
    """
    scheme = _SCHEME.match(address)
    if scheme is None:
        return "webcam" if address.isdecimal() or address.startswith("/dev/video") else "file"
    name = scheme.group(1).lower()
    if name in _NETWORK:
        return "network"
    if name == "file":
        return "file"
    raise SourceRefused(f"{mask(address)}: cannot read {name}://, only rtsp, rtsps, http, https or a file", "invalid")
