"""Addresses of sources: what kind of thing one names, and how any text is shown without its credentials."""

import re
from typing import Literal

from camwatch.errors import SourceRefused

Kind = Literal["network", "webcam", "file"]

NETWORK = ("rtsp", "rtsps", "http", "https")
"""The schemes that camwatch reads."""

_SCHEME = re.compile(r"([a-z][a-z0-9+._-]{1,40})://", re.IGNORECASE)
_AUTHORITY = re.compile(r"(://)[^\s/?#]*@")
_UP_TO_AT = re.compile(r"(?<!\S)\S*@")
_DRIVE = re.compile(r"^\W*[A-Za-z]:[\\/]")
_KEY = re.compile(r"(?<![\w-])([\w-]++)=(?=[^&\s])")
_VALUE = re.compile(r"[^&\s]+")
_SECRET_KEY = re.compile(
    r"(?:passw|passphrase|passcode|pwd|token|secret|credential|signature|usr|login)\w*$"
    r"|(?:^|[_-])(?:pass|psw|pw|(?:api|access)?key|user(?:_?name|_?id)?|auth(?!or)\w*)$",
    re.IGNORECASE,
)
_LONGEST_KEY = 200


def mask(text: str) -> str:
    """Any text as it may be shown: `cannot open rtsp://cam:secret@host/1` becomes `cannot open rtsp://***@host/1`.

    The one place that masks credentials, used for addresses, messages of the configuration and the log alike. In each
    word, which ends at white space, `***` takes the place of

    - the values of user and password parameters (`?usr=admin&pwd=secret`, also inside a path);
    - everything between a scheme and the last `@`, so that a password with `@` or `/` in it goes whole;
    - without a scheme, everything up to the last `@` if there is a `:` before it: a mistyped address. A drive letter
      is no such colon.

    Other text stays as it is: times, mail addresses, paths, host names with ports.
    """
    text = _AUTHORITY.sub(r"\1***@", text)
    return _UP_TO_AT.sub(_without_login, _without_parameters(text))


def _without_parameters(text: str) -> str:
    """The values of parameters that look like a user or a password replaced; one pass, however long the text."""
    parts, at = [], 0
    for found in _KEY.finditer(text):
        value = _VALUE.match(text, found.end())
        if found.start() < at or value is None or not _is_secret(text, found):
            continue
        parts += [text[at : found.end()], "***"]
        at = value.end()
    return "".join([*parts, text[at:]])


def _is_secret(text: str, found: re.Match[str]) -> bool:
    key = found[1]
    if len(key) > _LONGEST_KEY:
        return True  # nobody's key; the pattern below would take long over it
    if key in {"p", "u", "P", "U"} and text[max(found.start() - 1, 0) : found.start()] in {"?", "&", ";", "/"}:
        return True
    return _SECRET_KEY.search(key) is not None


def _without_login(word: re.Match[str]) -> str:
    head = word[0]
    found = _SCHEME.search(head)
    if found and not {":", "@"} & set(head[: found.start()]):
        return head[: found.end()] + "***@"
    if ":" not in _DRIVE.sub("", head):
        return head
    return head[: len(head) - len(head.lstrip("\"'<([{"))] + "***@"


def scheme(address: str) -> str | None:
    """What stands before `://`, in small letters; None where an address has no such beginning."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else None


def kind(address: str) -> Kind:
    """What an address names: a stream on the network, a webcam (`0`, `/dev/video0`) or a file.

    Raises:
        SourceRefused: The URL has a scheme that camwatch does not read (reason `invalid`).
    """
    name = scheme(address)
    if name is None:
        return "webcam" if address.isdecimal() or address.startswith("/dev/video") else "file"
    if name in NETWORK:
        return "network"
    if name == "file":
        return "file"
    raise SourceRefused(f"{mask(address)}: cannot read {name}://, only rtsp, rtsps, http, https or a file", "invalid")
