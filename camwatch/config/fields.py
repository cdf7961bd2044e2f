"""The kinds of values a configuration file may hold: how each is read, refused, printed and described.

A kind stands in a pydantic annotation: `fps: Annotated[float, Number(above=0, most=60)]`. It reads plain YAML values
strictly (text is no number, a number is no switch) and says in one sentence what is wrong and what would be right.
What cameras and topics need beyond these is in `values`.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from camwatch.capture.address import mask
from camwatch.config.yamlfile import Inserted, nearest
from camwatch.config.yamlsyntax import scalar

HIDDEN = "***"
"""What is shown in place of a secret."""


class WrongValueError(ValueError):
    """A value that cannot be used; the message says what it is and what it must be."""


def problem(text: str, key: str = "") -> PydanticCustomError:
    """A pydantic error with our own sentence; `key` is the dotted key it is about, where not the value itself."""
    return PydanticCustomError("camwatch", "{text}", {"text": text, "key": key})


def shown(value: object) -> str:
    """A wrong value as a message may show it: short, without credentials."""
    match value:
        case None:
            return "is empty"
        case bool():
            return f"is {str(value).lower()}"
        case int() | float():
            return f"is {value}"
        case str():
            # Without its white space where there is an @, so that a password with a space is masked as a whole.
            text = mask("".join(value.split()) if "@" in value else value)
            text = "".join(letter if letter.isprintable() else "?" for letter in text)
            return f'is "{text if len(text) <= 40 else text[:40] + "..."}"'
        case list():
            return "is a list"
    return "is a section"


def alternatives(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


class Kind:
    """Base of the kinds: turns `read`, `dump` and `json_schema` into what pydantic wants."""

    __slots__ = ()

    def read(self, value: object, folder: Path) -> object:
        """The value as the program uses it.

        Args:
            value: What the YAML file holds.
            folder: Where relative paths begin.

        Raises:
            WrongValueError: The value cannot be used.
        """
        raise WrongValueError("no such kind of value")

    def dump(self, value: Any) -> Any:
        """The value as YAML and JSON show it; `read` understands that again, unless it is secret."""
        return value

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of what `read` accepts."""
        return {}

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """This kind's own rules in place of pydantic's rules for the type."""

        def validate(value: object, info: core_schema.ValidationInfo[Any]) -> object:
            try:
                return self.read(value, (info.context or {}).get("folder", Path()))
            except WrongValueError as error:
                raise problem(str(error)) from None

        return core_schema.with_info_plain_validator_function(
            validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self.dump, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, _: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """What `read` accepts, for editors."""
        return self.json_schema()


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A number within limits: int where it is `whole`, else float."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    whole: bool = False

    def read(self, value: object, folder: Path) -> float:
        """See Kind.read."""
        number = scalar(value) if isinstance(value, Inserted) else value
        kind = int if self.whole else int | float
        if not isinstance(number, kind) or isinstance(number, bool) or not self._within(number):
            raise WrongValueError(f"{_unquoted(number)}, must be {self._limits()}")
        return number if self.whole else float(number)

    def _within(self, number: float) -> bool:
        low = (self.least is None or number >= self.least) and (self.above is None or number > self.above)
        return low and (self.most is None or number <= self.most)

    def _limits(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.above is not None:
            return f"{kind} above {self.above:g}" + ("" if self.most is None else f" and at most {self.most:.7g}")
        if self.most is not None:
            return f"{kind} from {self.least or 0:.7g} to {self.most:.7g}"
        return f"{kind}, at least {self.least:.7g}" if self.least is not None else kind

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        limits = {"minimum": self.least, "exclusiveMinimum": self.above, "maximum": self.most}
        kind = "integer" if self.whole else "number"
        return {"type": kind} | {name: limit for name, limit in limits.items() if limit is not None}


def _unquoted(value: object) -> str:
    """`shown`, with a word on the quotes where they are all that is wrong."""
    quoted = isinstance(value, str) and not isinstance(scalar(value), str | None)
    return shown(value) + (" in quotes" if quoted else "")


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h|)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """`20ms`, `5s`, `2m`, `1h` or a plain number of seconds; float seconds above 0 (with `zero`: from 0)."""

    most: float
    zero: bool = False

    def read(self, value: object, folder: Path) -> float:
        """See Kind.read."""
        if isinstance(value, str):
            found = _DURATION.fullmatch(value.strip())
            seconds = float(found[1]) * _SECONDS[found[2]] if found else None
        else:
            seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        if seconds is None:
            raise WrongValueError(f"{shown(value)}, must be a duration such as 5s, 20ms, 2m or 1h")
        seconds = round(seconds, 6) if math.isfinite(seconds) else math.inf
        if not 0 <= seconds <= self.most or (seconds == 0 and not self.zero):
            low = "from 0s to" if self.zero else "above 0s and at most"
            raise WrongValueError(f"{shown(value)}, must be {low} {self.dump(self.most)}")
        return seconds

    def dump(self, value: float) -> str:
        """See Kind.dump."""
        for unit in ("h", "m"):
            if value and value % _SECONDS[unit] == 0:
                return f"{value / _SECONDS[unit]:.0f}{unit}"
        return f"{value * 1000:.12g}ms" if 0 < value < 1 else f"{value:.12g}s"

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        text = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h)?$"}
        number = {"type": "number", "minimum" if self.zero else "exclusiveMinimum": 0, "maximum": self.most}
        return {"anyOf": [text, number]}


@dataclass(frozen=True, slots=True)
class Switch(Kind):
    """true or false; yes, no, on, off."""

    def read(self, value: object, folder: Path) -> bool:
        """See Kind.read."""
        state = scalar(value) if isinstance(value, Inserted) else value
        if not isinstance(state, bool):
            raise WrongValueError(f"{_unquoted(state)}, must be true or false")
        return state

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: object, folder: Path) -> str:
        """See Kind.read."""
        if isinstance(value, str) and value in self.words:
            return str(value)
        near = nearest(value, self.words) if isinstance(value, str) else None
        hint = f", did you mean {near}?" if near else ""
        raise WrongValueError(f"{shown(value)}, must be {alternatives(self.words)}{hint}")

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return {"type": "string", "enum": list(self.words)}


def text(value: object, meaning: str, *, secret: bool = False) -> str:
    """Text that is not empty. A bare number is refused: YAML has changed it already (`007` has become 7).

    Raises:
        WrongValueError: It is something else; nothing of it is in the message where it is `secret`.
    """
    if isinstance(value, bool | int | float):
        what = "is a number" if secret else shown(value)
        raise WrongValueError(f"{what} without quotes, must be {meaning}: put it in quotes")
    if not isinstance(value, str | None):
        raise WrongValueError(f"{shown(value)}, must be {meaning}")
    if not value or not value.strip():
        raise WrongValueError(f"is empty, must be {meaning}")
    if "\0" in value or "\n" in value:
        raise WrongValueError(f"holds a line break or null character, must be {meaning}")
    return str(value)


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Text that is not empty; `meaning` completes `must be ...`.

    Attributes:
        check: Says what is wrong with a text, None where nothing is.
        pattern: The same for JSON Schema, as far as a regular expression can tell.
    """

    meaning: str
    check: Callable[[str], str | None] | None = None
    pattern: str | None = None

    def read(self, value: object, folder: Path) -> str:
        """See Kind.read."""
        result = text(value, self.meaning)
        wrong = self.check(result) if self.check else None
        if wrong:
            raise WrongValueError(wrong)
        return result

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return {"type": "string", "minLength": 1} | ({"pattern": self.pattern} if self.pattern else {})


@dataclass(frozen=True, slots=True)
class Secret(Kind):
    """A password, kept out of every message and print."""

    def read(self, value: object, folder: Path) -> SecretStr:
        """See Kind.read."""
        return SecretStr(text(value, "text", secret=True))

    def dump(self, value: SecretStr) -> str:
        """See Kind.dump."""
        return HIDDEN

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return {"type": "string", "format": "password", "minLength": 1}


@dataclass(frozen=True, slots=True)
class Place(Kind):
    """A file or folder; `~` is the home folder, a relative path begins at the configuration file's folder."""

    meaning: str

    def read(self, value: object, folder: Path) -> Path:
        """See Kind.read."""
        return place(text(value, self.meaning), folder)

    def dump(self, value: Path) -> str:
        """See Kind.dump."""
        return mask(str(value))  # it may be an address that stands in the wrong line

    def json_schema(self) -> dict[str, Any]:
        """See Kind.json_schema."""
        return {"type": "string", "minLength": 1}


def place(value: str, folder: Path) -> Path:
    """The absolute path that a configuration file means.

    Raises:
        WrongValueError: `~NAME` names nobody.
    """
    try:
        return folder.absolute() / Path(value).expanduser()
    except RuntimeError:
        raise WrongValueError(f"{shown(value)}, there is no such user's home folder") from None
