"""Names of people and cameras, and the slugs that stand for them in paths and topics."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

from camwatch.errors import PhotoError

_LONGEST_NAME = 200
_NO_STATES = frozenset(("unknown", "none", "unavailable"))


def checked_name(person: str) -> str:
    """A person's name as it is stored: composed (NFC), without spaces around it.

    Raises:
        PhotoError: It is empty, longer than 200 characters, or has control characters in it.
    """
    name = unicodedata.normalize("NFC", person).strip()
    if not name or len(name) > _LONGEST_NAME or any(map(_is_control, name)):
        raise PhotoError(f"{person[:80]!r}: not a name; 1 to {_LONGEST_NAME} printable characters are")
    return name


def untellable(name: str) -> str | None:
    """Why nobody of this name can be told of; None where that is possible."""
    if name.casefold() in _NO_STATES:
        return "not a name, Home Assistant takes it for no state"
    return f"longer than {_LONGEST_NAME} characters" if len(name) > _LONGEST_NAME else None


def _is_control(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return kind[0] == "C" or kind in ("Zl", "Zp")


def slug(name: str) -> str:
    """A name as `[a-z0-9_]+`, at most 63 characters, never empty, the same for the same name.

    Letters lose their accents; what has no ASCII form is left out. Where nothing is left, or the name is too long,
    a short hash of the whole name stands in or is added, so that different names stay different.
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    digest = _digest(name)
    if not words:
        return f"person_{digest}"
    return words if len(words) <= 63 else f"{words[:54]}_{digest}"


def slugs(names: Iterable[str], had: Mapping[str, str] | None = None) -> dict[str, str]:
    """A slug of its own for every name: where several would have the same, all but the first get a hash behind it.

    Args:
        names: For whom.
        had: Slugs by name that must stay with their names.
    """
    wanted = sorted(set(names))
    result = {name: kept for name, kept in (had or {}).items() if name in wanted}
    for name in wanted:
        if name in result:
            continue
        plain = candidate = slug(name)
        turn = name
        while candidate in result.values():
            candidate, turn = f"{plain[:54]}_{_digest(turn)}", f"{turn} again"
        result[name] = candidate
    return {name: result[name] for name in wanted}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def name_digest(person: str) -> str:
    """What stands for a name that is not to be told."""
    return hashlib.sha256(person.encode("utf-8", "surrogatepass")).hexdigest()[:32]
