"""The dialect of YAML that camwatch reads, and its syntax errors in words.

Scalars are read as YAML 1.2 reads them (`010` is ten, `1e-3` is a number, a date is text), except that `yes`,
`no`, `on` and `off` are booleans too, as users of Home Assistant expect.
"""

import re

import yaml

CORE = "tag:yaml.org,2002:"
"""What stands before `str`, `int`, `map` ... in the full names of YAML's own tags."""

_PLAIN: tuple[tuple[str, str, str], ...] = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"(?i:true|yes|on|false|no|off)", "tTyYoOfFnN"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
)
_PATTERNS = {kind: pattern for kind, pattern, _ in _PLAIN}


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of this dialect; used for its nodes, which know their lines."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own table of the class, replaced on purpose


for _kind, _pattern, _first in _PLAIN:
    Loader.add_implicit_resolver(CORE + _kind, re.compile(f"(?:{_pattern})$"), [*_first, ""])
Loader.add_implicit_resolver(CORE + "merge", re.compile("<<$"), ["<"])


def construct(kind: str, text: str) -> object:
    """The value of a scalar of this kind: `null`, `bool`, `int`, `float` or `str`.

    Raises:
        ValueError: The text is no such scalar, which only an explicit tag (`!!int five`) can bring about.
    """
    if kind != "str" and not re.fullmatch(_PATTERNS[kind], text):
        raise ValueError(f"no {kind}")
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "int" if len(text) < 19:
            return int(text)
        case "int" | "float":
            return float(text)
    return text


def scalar(text: str) -> object:
    """What a plain (unquoted) scalar means: None, bool, int, float or, failing those, the text itself."""
    for kind, pattern, _ in _PLAIN:
        if re.fullmatch(pattern, text):
            return construct(kind, text)
    return text


_REASONS: tuple[tuple[str, str], ...] = (
    (r"found character '\\t'", "a tab cannot indent, use spaces"),
    (r"found character '(.)'", "text that begins with {0} must be in quotes"),
    (r"found unknown escape", "a backslash in double quotes starts an escape, use single quotes"),
    (
        r"mapping values are not allowed",
        "a second `: ` in one line, or a wrong indentation, put text that holds `: ` in quotes",
    ),
    (r"could not find expected ':'", "is no `key: value` line, check the colon and the space after it"),
    (r"found undefined alias", "text that begins with * must be in quotes (there is no such anchor)"),
    (r"expected alphabetic or numeric character", "text that begins with * or & must be in quotes"),
    (r"found unexpected (end of stream|document separator)", "a quote that opens here is never closed"),
    (r"expected ',' or '\]'", "a [ is not closed, or a comma is missing"),
    (r"expected ',' or '\}'", "a {{ is not closed, or a comma is missing"),
    (r"expected the node content", "a value is missing, or a bracket is not closed"),
    (r"expected <(block end|document start)>", "does not fit the lines above, check the indentation"),
    (r"found another document", "`---` begins a second document, the configuration is one"),
    (r"undefined tag handle", "text that begins with ! must be in quotes"),
)
_OPENED_EARLIER = ("while scanning a simple key", "while scanning a quoted scalar")


def explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """The line (from 1) and the reason of a syntax error.

    Nothing of the file is quoted but a first character: the line that YAML stumbles over is often a password.
    """
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, "holds a control character, which YAML does not allow"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, "is not valid YAML"
    mark = error.problem_mark
    if error.context_mark is not None and error.context in _OPENED_EARLIER:
        mark = error.context_mark
    line = 1 if mark is None else mark.line + 1
    for pattern, reason in _REASONS:
        found = re.search(pattern, error.problem or "")
        if found:
            return line, reason.format(*found.groups())
    return line, "is not valid YAML"
