"""YAML that remembers its lines: duplicate keys are noticed, secrets and environment variables put in.

Keys are always text. No value is ever repeated in a message, because a mistyped line is often a password.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import yaml

from camwatch.config.yamlsyntax import CORE, Loader, construct, explain
from camwatch.errors import ConfigError

SECRETS = "secrets.yaml"
MAX_BYTES = 256 << 10
"""A thousand cameras take less, and PyYAML takes seconds for more."""
MAX_NODES = 100_000
NO_CHARACTER = "holds an escape (a backslash and a number) that stands for no character"
TOO_DEEP = "is nested too deeply"
PLAIN = re.compile(r"[\w .-]{1,40}")
"""Keys and names that a message may repeat; what has other characters may be an address or a password out of place."""

_SURROGATE = re.compile("[\ud800-\udfff]")  # what "\\ud83d" gives; no file, broker or terminal takes it

KeyPath = tuple[str | int, ...]
"""The way to a value: keys, and positions in lists."""


class Inserted(str):
    """Text put in by `!secret` or `!env_var`; a key that wants a number or a switch reads it from the text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file; `line` counts from 1, 0 stands for the file as a whole."""

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
        problems: What was wrong with single keys and values.
        broken: The values among them that could not be read; they are None in `data`.
    """

    file: str
    data: object
    lines: Mapping[KeyPath, int]
    problems: tuple[Problem, ...]
    broken: frozenset[KeyPath]

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest section around it that the file names."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: KeyPath) -> str:
    """`('cameras', 'door', 'motion', 'masks', 0)` as `cameras.door.motion.masks[0]`; keys not `PLAIN` are not shown."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if PLAIN.fullmatch(part) else "(a key here)"
            text += f".{key}" if text else key
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, None where none is near."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None


def read(path: Path | str, *, environ: Mapping[str, str] | None = None) -> Document:
    """Read one YAML file; `!secret NAME` comes from `secrets.yaml` in the same folder.

    Args:
        path: The file: UTF-8, at most 256 KiB.
        environ: Where `!env_var NAME [default]` looks, the process's environment by default.

    Raises:
        ConfigError: The file is missing, unreadable or no YAML. Lesser problems are in `Document.problems`.
    """
    variable = partial(_variable, os.environ if environ is None else environ)
    secrets = _Secrets(Path(path).parent / SECRETS, variable)
    document = _Reader(str(path), {"!secret": secrets.get, "!env_var": variable}).read()
    return replace(document, problems=(*document.problems, *secrets.problems))


def _compose(path: str) -> yaml.Node | None:
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
        raise ConfigError(f"{path}: is larger than 256 KiB, is it really the configuration?")
    text, loader = "", None
    try:
        text = raw.decode("utf-8-sig")
        loader = Loader(text)
        node: yaml.Node | None = loader.get_single_node()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text, save the file as UTF-8") from None
    except (ValueError, OverflowError):  # PyYAML asks chr() for whatever number an escape names
        line = loader.line + 1 if loader else 1
        raise ConfigError(f"{path}:{line}: {NO_CHARACTER}") from None
    except RecursionError:
        raise ConfigError(f"{path}: {TOO_DEEP}") from None
    except yaml.YAMLError as error:
        line, reason = explain(error, text)
        raise ConfigError(f"{path}:{line}: {reason}") from None
    return node


def _variable(environ: Mapping[str, str], words: str) -> str:
    """The environment variable `NAME`, or the default that follows the name."""
    name, _, default = words.partition(" ")
    value = environ.get(name, default.strip() or None)
    if value is None:
        name = name if PLAIN.fullmatch(name) else "NAME"
        text = f"environment variable {name} is not set, set it or write !env_var {name} DEFAULT"
        raise LookupError(text)
    return value


class _Secrets:
    """`secrets.yaml`, read when the first `!secret` asks for it."""

    def __init__(self, path: Path, variable: Callable[[str], str]) -> None:
        self.path = path
        self.problems: tuple[Problem, ...] = ()
        self._tags = {"!env_var": variable, "!secret": _no_nesting}
        self._values: dict[str, str] | None = None

    def get(self, name: str) -> str:
        """The secret of this name; raises LookupError with the reason where there is none."""
        if self._values is None:
            self._values = self._read() if self.path.exists() else {}
        if name in self._values:
            return self._values[name]
        if self.problems:
            raise LookupError(f"!secret cannot be read, {self.path} has problems of its own")
        if not self.path.exists():
            raise LookupError(f"!secret needs the file {self.path}, make it with a line `NAME: VALUE`")
        near = nearest(name, self._values)
        hint = f"did you mean {near}?" if near else "add it there as `NAME: VALUE`"
        raise LookupError(f"{self.path} has no secret of this name, {hint}")

    def _read(self) -> dict[str, str]:
        file = str(self.path)
        try:
            document = _Reader(file, self._tags, text_only=True).read()
        except ConfigError as error:
            self.problems = tuple(Problem(problem, 0, (), "") for problem in error.problems)
            return {}
        problems = list(document.problems)
        values = document.data if isinstance(document.data, dict) else {}
        if not isinstance(document.data, dict | None):
            problems.append(Problem(file, 1, (), "must hold lines `NAME: VALUE`"))
        for name, value in values.items():
            if isinstance(value, dict | list):
                text = "must be one value, not a section or a list"
                problems.append(Problem(file, document.line((name,)), (name,), text))
        self.problems = tuple(problems)
        return {name: value for name, value in values.items() if isinstance(value, str)}


def _no_nesting(_: str) -> str:
    raise LookupError(f"{SECRETS} cannot refer to itself, write the value here")


class _Reader:
    """Turns the nodes of one file into plain data, and notes lines and problems on the way."""

    def __init__(self, file: str, tags: Mapping[str, Callable[[str], str]], *, text_only: bool = False) -> None:
        self._file = file
        self._tags = tags
        self._text_only = text_only
        self._lines: dict[KeyPath, int] = {}
        self._problems: list[Problem] = []
        self._broken: set[KeyPath] = set()
        self._open: set[int] = set()
        self._count = 0

    def read(self) -> Document:
        root = _compose(self._file)
        try:
            data = None if root is None else self._convert(root, ())
        except RecursionError:  # aliases nest deeper than the text does
            raise ConfigError(f"{self._file}: {TOO_DEEP}") from None
        return Document(self._file, data, self._lines, tuple(self._problems), frozenset(self._broken))

    def _wrong(self, path: KeyPath, node: yaml.Node, text: str) -> None:
        self._problems.append(Problem(self._file, _line(node), path, text))

    def _unreadable(self, path: KeyPath, node: yaml.Node, text: str) -> None:
        self._wrong(path, node, text)
        self._broken.add(path)

    def _convert(self, node: yaml.Node, path: KeyPath) -> object:
        self._count += 1
        if self._count > MAX_NODES:
            raise ConfigError(f"{self._file}: its anchors and aliases multiply to too many values")
        kind = node.tag.removeprefix(CORE)
        if isinstance(node, yaml.ScalarNode) and kind in ("str", "null", "bool", "int", "float"):
            if _SURROGATE.search(node.value):
                self._unreadable(path, node, NO_CHARACTER)
                return None
            try:
                return construct("str" if self._text_only else kind, node.value)
            except ValueError:
                self._unreadable(path, node, _unknown_tag(node.tag))
                return None
        mapping = isinstance(node, yaml.MappingNode) and kind == "map"
        if not mapping and not (isinstance(node, yaml.SequenceNode) and kind == "seq"):
            return self._tagged(node, path)
        if id(node) in self._open:
            self._unreadable(path, node, "an anchor holds an alias to itself")
            return None
        self._open.add(id(node))
        data = self._mapping(node, path) if mapping else self._sequence(node, path)
        self._open.discard(id(node))
        return data

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[object]:
        items = []
        for position, item in enumerate(node.value):
            self._lines[(*path, position)] = _line(item)
            items.append(self._convert(item, (*path, position)))
        return items

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, object]:
        data: dict[str, object] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == CORE + "merge":
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            elif not isinstance(key_node, yaml.ScalarNode):
                self._wrong(path, key_node, "a key must be text, not a list or a section")
            elif key_node.value in data:
                first = self._lines[(*path, key_node.value)]
                text = f"is given a second time, keep this one or the one in line {first}"
                self._wrong((*path, key_node.value), key_node, text)
            else:
                inside = (*path, key_node.value)
                self._lines[inside] = _line(key_node)
                data[key_node.value] = self._convert(value_node, inside)
        for source in merged:
            self._merge(source, path, data)
        return data

    def _merge(self, source: yaml.Node, path: KeyPath, data: dict[str, object]) -> None:
        """Add what `<<` names and the section does not give itself; lines are those of the anchor."""
        if not isinstance(source, yaml.MappingNode):
            self._wrong(path, source, "<< must name a section, or a list of sections")
            return
        own, self._lines = self._lines, {}
        extra = self._convert(source, path)
        merged, self._lines = self._lines, own
        for inside, line in merged.items():
            self._lines.setdefault(inside, line)
        if isinstance(extra, dict):
            for key, value in extra.items():
                data.setdefault(key, value)

    def _tagged(self, node: yaml.Node, path: KeyPath) -> object:
        resolve = self._tags.get(node.tag)
        name = node.value.strip() if isinstance(node, yaml.ScalarNode) else ""
        if resolve is None:
            reason = _unknown_tag(node.tag)
        elif not name:
            reason = f"{node.tag} needs a name: {node.tag} NAME"
        else:
            try:
                return Inserted(resolve(name))
            except LookupError as error:
                reason = str(error)
        self._unreadable(path, node, reason)
        return None


def _unknown_tag(tag: str) -> str:
    """The tag is named only where it is a slip of a known one: it may be a password."""
    if tag.startswith("!include"):
        return "!include is not known, the configuration is one file"
    if tag.startswith(CORE):
        return "its !! tag is not known here or does not fit the value, leave the tag out"
    near = nearest(tag, ("!secret", "!env_var"))
    if near:
        return f"unknown tag, did you mean {near}?"
    return "text that begins with ! must be in quotes (known tags: !secret NAME, !env_var NAME [default])"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
