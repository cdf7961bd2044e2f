"""Values of the configuration that have a meaning of their own: camera sources, names, hosts, topics, tokens, masks."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic_core import CoreSchema

from camwatch.capture.address import NETWORK, kind, mask, scheme
from camwatch.capture.address import Kind as SourceKind
from camwatch.config.fields import Kind, Secret, Text, WrongValueError, alternatives, place, shown, text
from camwatch.config.yamlfile import PLAIN, nearest
from camwatch.names import slug

Polygon = tuple[tuple[float, float], ...]
"""Corners as (x, y) fractions of the picture, origin at the top left."""

_LOOKS_LIKE_ADDRESS = re.compile(
    r"[0-9]{1,3}(\.[0-9]{1,3}){3}([:/]|$)"
    r"|\W*://|[^\w/.~]*[a-z][\w.-]+\s*[:;]\s*[/\\]|[^\w/.~]*(rtsps?|https?)\s*//",
    re.IGNORECASE,
)
_SOURCE = "an rtsp:// or http:// address, the path of a recording, or the number of a webcam"


class SourceUrl:
    """Where pictures come from. `str` and `repr` hide user names and passwords, `reveal` does not.

    Attributes:
        kind: `network` (an RTSP or HTTP address), `webcam` (a number or device) or `file` (an absolute path).
    """

    __slots__ = ("_value", "kind")

    def __init__(self, value: str, kind: SourceKind) -> None:
        """Take a value that `Source.read` has checked."""
        self._value = value
        self.kind = kind

    def reveal(self) -> str:
        """The address as the camera wants it; never for a message."""
        return self._value

    @property
    def is_file(self) -> bool:
        """Whether it is a recording, which ends, and not something live."""
        return self.kind == "file"

    def __str__(self) -> str:
        """The address without credentials."""
        return mask(self._value)

    def __repr__(self) -> str:
        """The address without credentials."""
        return f"SourceUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Equal where the whole address is."""
        return isinstance(other, SourceUrl) and self._value == other._value

    def __hash__(self) -> int:
        """Hash of the whole address."""
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read as `Source` reads."""
        return Source().__get_pydantic_core_schema__(source, handler)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Described as `Source` describes."""
        return Source().json_schema()


@dataclass(frozen=True, slots=True)
class Source(Kind):
    """A camera's address, a recording's path or a webcam's number."""

    def read(self, value: object, folder: Path) -> SourceUrl:
        """See Kind.read."""
        if isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value <= 999:
                raise WrongValueError(f"{shown(value)}, a webcam's number is 0 or a little more")
            return SourceUrl(str(value), "webcam")
        address = text(value, _SOURCE, secret=True).strip()
        begins = scheme(address)
        if begins is not None:
            return SourceUrl(_url(address, begins), "network")
        if kind(address) == "webcam":
            return SourceUrl(address, "webcam")
        path = str(place(address, folder))
        # Taken for a file, a mistyped address would be shown with its password: nothing that `mask` changes may pass.
        if (_LOOKS_LIKE_ADDRESS.match(address) or mask(address) != address) and not os.access(path, os.F_OK):
            raise WrongValueError("looks like a camera's address, which begins with its scheme: rtsp://")
        return SourceUrl(path, "file")

    def dump(self, value: SourceUrl) -> str:
        """See Kind.dump."""
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0, "maximum": 999}]}


def _url(address: str, begins: str) -> str:
    if begins == "file":
        raise WrongValueError("a recording is given by its path alone, without file://")
    if begins not in NETWORK:
        near = nearest(begins, NETWORK)
        hint = f", did you mean {near}://?" if near else ""
        raise WrongValueError(f'begins with "{begins}://", must be {alternatives([f"{s}://" for s in NETWORK])}{hint}')
    if re.search(r"\s", address):
        raise WrongValueError("the address holds a space, write %20 for it")
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise WrongValueError(
            f"{shown(address)}, must be {begins}://USER:PASSWORD@HOST:PORT/PATH, "
            "with / # ? @ : in the password written as %2F %23 %3F %40 %3A"
        )
    if "@" in parts.path + parts.query + parts.fragment:
        raise WrongValueError(
            "holds an @ after the host: write %40 for every @ in the password or path, "
            "and %2F %23 %3F for / # ? in the password"
        )
    return begins + address[len(begins) :]


_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Name(Kind):
    """A name that stands in topics, paths and metrics: a-z, 0-9, _ and -."""

    def read(self, value: object, folder: Path) -> str:
        """See Kind.read."""
        name = text(value, "a name of a-z, 0-9, _ and -")
        if not _SLUG.fullmatch(name):
            due = "must be a name of a-z, 0-9, _ and -"
            if not PLAIN.fullmatch(name):
                raise WrongValueError(f"is not shown as it may be a password or an address, {due}")
            raise WrongValueError(f"{shown(name)}, {due}, for example {slug(name)}")
        return name

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return {"type": "string", "pattern": f"^{_SLUG.pattern}$"}


def _host(host: str) -> str | None:
    if "://" in host or "@" in host or "/" in host:
        return f"{shown(host)}, must be a host name or address alone: no scheme, no user, no path"
    if re.fullmatch(r"[^:\[\]]*:[0-9]*|\[.*\]:[0-9]+", host):
        return f"{shown(host)}, the port goes into the key `port` beside it"
    if not re.fullmatch(r"[A-Za-z0-9_.:%-]+", host):
        return f"{shown(host)}, must be a host name or an address"
    return None


def _topic(prefix: str) -> str | None:
    if any(not level for level in prefix.split("/")):
        return f"{shown(prefix)}, must not begin or end with / nor hold //"
    if re.search(r"[+#\s]", prefix) or prefix.startswith("$"):
        return f"{shown(prefix)}, must be a topic without +, #, spaces and a leading $"
    return None


HOST = Text("a host name or an address", _host, r"^[A-Za-z0-9_.:%-]+$")
TOPIC = Text("a topic such as camwatch or home/camwatch", _topic, r"^[^$/+#\s][^/+#\s]*(/[^/+#\s]+)*$")

TOKEN = "16 to 256 letters, digits and any of - . _ ~ + / =, for example from: openssl rand -hex 24"


@dataclass(frozen=True, slots=True)
class Token(Secret):
    """A secret that others send us in a header: long enough not to be guessed, of letters that a header may have."""

    def read(self, value: object, folder: Path) -> SecretStr:
        """See Kind.read."""
        secret = Secret.read(self, value, folder)
        if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", secret.get_secret_value()):
            raise WrongValueError(f"has letters that it cannot have, must be {TOKEN}")
        if not 16 <= len(secret) <= 256:
            raise WrongValueError(f"has {len(secret)} letters, must be {TOKEN}")
        return secret

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return Secret.json_schema(self) | {"minLength": 16, "maxLength": 256, "pattern": "^[A-Za-z0-9._~+/-]+=*$"}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_POLYGON = "at least three corners [x, y] as fractions of the picture, for example [[0, 0], [0.3, 0], [0, 0.4]]"


@dataclass(frozen=True, slots=True)
class Mask(Kind):
    """A polygon in which motion does not count."""

    def read(self, value: object, folder: Path) -> Polygon:
        """See Kind.read."""
        if not isinstance(value, list):
            raise WrongValueError(f"{shown(value)}, must be {_POLYGON}")
        if len(value) < 3:
            raise WrongValueError(f"has {len(value)} corners, must be {_POLYGON}")
        return tuple(_corner(position, corner) for position, corner in enumerate(value, 1))

    def dump(self, value: Polygon) -> list[list[float]]:
        """See Kind.dump."""
        return [list(corner) for corner in value]

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        fraction = {"type": "number", "minimum": 0, "maximum": 1}
        corner = {"type": "array", "items": fraction, "minItems": 2, "maxItems": 2}
        return {"type": "array", "items": corner, "minItems": 3}


def _corner(position: int, corner: object) -> tuple[float, float]:
    match corner:
        case [int() | float() as x, int() | float() as y] if not {type(x), type(y)} & {bool}:
            if 0 <= x <= 1 and 0 <= y <= 1:
                return float(x), float(y)
            raise WrongValueError(f"corner {position} is [{x}, {y}], x and y must be fractions from 0 to 1, not pixels")
    raise WrongValueError(f"corner {position} must be [x, y], two fractions from 0 to 1")
