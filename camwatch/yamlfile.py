"""YAML that remembers its lines: duplicate keys are noticed, secrets and environment variables are put in.

Scalars are read as YAML 1.2 reads them (`010` is ten, `1e-3` a number, a date is text), except that `yes`, `no`,
`on` and `off` are booleans too, as Home Assistant's users are used to. A key is always text. Nothing of a value is
ever repeated in a message, because a mistyped line is often a password.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from camwatch.errors import ConfigError
from camwatch.yamlsyntax import explain

SECRETS = "secrets.yaml"
MAX_BYTES = 1 << 20
MAX_NODES = 100_000

KeyPath = tuple[str | int, ...]
"""The way to a value: keys, and positions in lists."""


class Inserted(str):
    """Text put in by `!secret` or `!env_var`; a key that wants a number or a switch reads it out of the text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file; `line` counts from 1, 0 is the file as a whole."""

    file: str
    line: int
    path: KeyPath
    text: str

    def __str__(self) -> str:
        """`FILE:LINE: key.path: text`, without the parts that are not known."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(filter(None, (place, dotted(self.path), self.text)))


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read.

    Attributes:
        file: The name as the user gave it.
        data: Plain dicts, lists and scalars; None for an empty file.
        lines: Line of each key and list item.
        problems: What was wrong with single values; those values are None in `data`.
    """

    file: str
    data: object
    lines: Mapping[KeyPath, int]
    problems: tuple[Problem, ...]

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest section around it that the file names."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def broken(self, path: KeyPath) -> bool:
        """Whether the value at `path`, or a part it lies in, was a problem already."""
        return any(path[: len(problem.path)] == problem.path for problem in self.problems if problem.path)


def dotted(path: KeyPath) -> str:
    """`('cameras', 'door', 'motion', 'masks', 0)` as `cameras.door.motion.masks[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, None where nothing is near."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None


def scalar(text: str) -> object:
    """A plain scalar as None, bool, int, float or, failing those, the text itself."""
    for tag, pattern, _first in _PLAIN:
        if pattern.fullmatch(text):
            return _construct(tag, text)
    return text


def read(path: Path | str, *, environ: Mapping[str, str] | None = None) -> Document:
    """Read one YAML file; `!secret NAME` comes from `secrets.yaml` in the same folder.

    Args:
        path: The file, UTF-8, at most 1 MiB.
        environ: Where `!env_var NAME [default]` looks; the process's environment by default.

    Raises:
        ConfigError: The file is missing, unreadable or no YAML. Lesser problems are in `Document.problems`.
    """
    secrets = _Secrets(Path(path).with_name(SECRETS), os.environ if environ is None else environ)
    return _Reader(str(path), secrets).document(_compose(path))


_YES = re.compile(r"true|yes|on", re.IGNORECASE)
_PLAIN: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("null", re.compile(r"~|null|Null|NULL|"), "~nN"),
    ("bool", re.compile(r"true|yes|on|false|no|off", re.IGNORECASE), "tTyYoOfFnN"),
    ("int", re.compile(r"[-+]?[0-9]+"), "-+0123456789"),
    ("float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), "-+.0123456789"),
)
_CORE = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own class-level table, replaced on purpose


for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(
        _CORE + _tag, re.compile(f"(?:{_pattern.pattern})$", _pattern.flags), [*_first, ""]
    )
_Loader.add_implicit_resolver(_CORE + "merge", re.compile("<<$"), ["<"])


def _construct(kind: str, text: str) -> object:
    match kind:
        case "null":
            return None
        case "bool":
            return _YES.fullmatch(text) is not None
        case "int" if len(text) < 19:
            return int(text)
        case "int" | "float":
            return float(text)
    return text


def _compose(path: Path | str) -> yaml.Node | None:
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder, must be a YAML file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than 1 MiB, which no configuration needs; is it the right file?")
    try:
        text = raw.decode("utf-8-sig")
        loader = _Loader(text)
        node: yaml.Node | None = loader.get_single_node()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text, save the file as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    except yaml.YAMLError as error:
        line, reason = explain(error, text)
        raise ConfigError(f"{path}:{line}: {reason}") from None
    return node


class _Secrets:
    """`secrets.yaml`, read when the first `!secret` asks for it."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.environ = environ
        self.problems: tuple[Problem, ...] = ()
        self._values: dict[str, str | None] | None = None

    def get(self, name: str) -> str | None:
        """The secret; None where it is there but unusable, which `problems` tells.

        Raises:
            LookupError: There is no such secret.
        """
        if self._values is None:
            self._values = self._read()
        if not self._values and not self.problems:
            raise LookupError(f"there is no {self.path}, make it with a line `{name}: ...`")
        if name not in self._values:
            if self.problems:
                return None
            near = nearest(name, self._values)
            hint = f"did you mean {near}?" if near else f"add a line `{name}: ...`"
            raise LookupError(f"{self.path} holds no {name}, {hint}")
        return self._values[name]

    def _read(self) -> dict[str, str | None]:
        if not self.path.exists():
            return {}
        try:
            document = _Reader(str(self.path), None, self.environ).document(_compose(self.path))
        except ConfigError as error:
            self.problems = tuple(Problem(problem, 0, (), "") for problem in error.problems)
            return {}
        self.problems = document.problems
        data = document.data
        if not isinstance(data, dict) or not data:
            if not self.problems:
                self.problems = (Problem(str(self.path), 1, (), "must hold lines `name: value`"),)
            return {}
        nested = [name for name, value in data.items() if isinstance(value, dict | list)]
        self.problems += tuple(
            Problem(str(self.path), document.line((name,)), (name,), "must be one value, not a section or list")
            for name in nested
        )
        return {name: value if isinstance(value, str) else None for name, value in data.items()}


class _Reader:
    """Turns one file's nodes into plain data. Without `secrets` the file is `secrets.yaml` itself: all is text."""

    def __init__(self, file: str, secrets: _Secrets | None, environ: Mapping[str, str] | None = None) -> None:
        self._file = file
        self._secrets = secrets
        self._environ = secrets.environ if secrets else environ or {}
        self._lines: dict[KeyPath, int] = {}
        self._problems: list[Problem] = []
        self._open: set[int] = set()
        self._nodes = 0

    def document(self, root: yaml.Node | None) -> Document:
        data = None if root is None else self._convert(root, ())
        others = self._secrets.problems if self._secrets else ()
        return Document(self._file, data, self._lines, (*self._problems, *others))

    def _wrong(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self._problems.append(Problem(self._file, self._lines.get(path, _line(node)), path, text))

    def _convert(self, node: yaml.Node, path: KeyPath) -> object:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ConfigError(f"{self._file}: its anchors and aliases multiply to too many values")
        if node.tag.startswith("!") or not node.tag.removeprefix(_CORE) in _KNOWN:
            return self._tagged(node, path)
        if isinstance(node, yaml.ScalarNode):
            kind = "str" if self._secrets is None else node.tag.removeprefix(_CORE)
            return self._scalar(node, path, kind)
        if id(node) in self._open:
            self._wrong(node, path, "an anchor that holds an alias to itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath, kind: str) -> object:
        try:
            return _construct(kind, node.value)
        except ValueError:
            self._wrong(node, path, "its !! tag does not fit the value, leave the tag out")
            return None

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[object]:
        items = []
        for position, item in enumerate(node.value):
            self._lines[(*path, position)] = _line(item)
            items.append(self._convert(item, (*path, position)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        data: dict[str, object] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _CORE + "merge":
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key_node, path, "a key must be text, not a list or a section")
                continue
            key = key_node.value
            if key in data:
                first = self._lines[(*path, key)]
                text = f"is given a second time, keep this one or the one in line {first}"
                self._problems.append(Problem(self._file, _line(key_node), (*path, key), text))
                continue
            self._lines[(*path, key)] = _line(key_node)
            data[key] = self._convert(value_node, (*path, key))
        for source in merged:
            self._merge(source, path, data)
        return data

    def _merge(self, source: yaml.Node, path: KeyPath, data: dict[str, object]) -> None:
        """Add what `<<` names and the section itself does not give; the lines are those of the anchor."""
        if not isinstance(source, yaml.MappingNode):
            self._wrong(source, path, "<< must name a section (or a list of sections)")
            return
        known = dict(self._lines)
        extra = self._convert(source, path)
        self._lines.update(known)
        if isinstance(extra, dict):
            for key, value in extra.items():
                data.setdefault(key, value)

    def _tagged(self, node: yaml.Node, path: KeyPath) -> object:
        words = node.value.split(None, 1) if isinstance(node, yaml.ScalarNode) else []
        match node.tag:
            case "!secret" | "!env_var" if not words:
                self._wrong(node, path, f"{node.tag} needs a name: {node.tag} NAME")
            case "!secret" if self._secrets is None:
                self._wrong(node, path, f"{SECRETS} cannot refer to itself, write the value here")
            case "!secret":
                try:
                    value = self._secrets.get(node.value.strip()) if self._secrets else None
                except LookupError as error:
                    self._wrong(node, path, f"!secret: {error.args[0]}")
                else:
                    if value is not None:
                        return Inserted(value)
                    self._wrong(node, path, f"!secret: its value in {SECRETS} cannot be used")
            case "!env_var":
                value = self._environ.get(words[0], words[1] if len(words) > 1 else None)
                if value is not None:
                    return Inserted(value)
                text = f"environment variable {words[0]} is not set, set it or write !env_var {words[0]} DEFAULT"
                self._wrong(node, path, text)
            case _:
                self._wrong(node, path, _unknown_tag(node.tag))
        return None


_KNOWN = frozenset({"str", "null", "bool", "int", "float", "map", "seq"})


def _unknown_tag(tag: str) -> str:
    """The tag itself is named only where it is a slip of a known one: it may be a password."""
    if tag.startswith("!include"):
        return "!include is not known, the configuration is one file"
    near = nearest(tag, ("!secret", "!env_var"))
    if near:
        return f"unknown tag, did you mean {near}?"
    return "text that begins with ! must be in quotes (the known tags are !secret NAME and !env_var NAME [default])"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
