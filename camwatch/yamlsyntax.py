"""PyYAML's syntax errors in the words of someone who only wanted to add a camera."""

import re

import yaml

_REASONS: tuple[tuple[str, str], ...] = (
    (r"found character '\\t'", "a tab cannot indent, use spaces"),
    (r"found character '(.)'", "text that begins with {0} must be in quotes"),
    (r"found unknown escape", "a backslash in double quotes starts an escape, use single quotes"),
    (r"mapping values are not allowed", "a second `: ` in one line or a wrong indentation, put text that holds `: ` in quotes"),
    (r"could not find expected ':'", "is no `key: value` line, check the colon and the space after it"),
    (r"found undefined alias", "text that begins with * must be in quotes (no such anchor)"),
    (r"expected alphabetic or numeric character", "text that begins with * or & must be in quotes"),
    (r"found unexpected end of stream", "a quote that opens here is never closed"),
    (r"found unexpected document separator", "a quote that opens here is never closed"),
    (r"expected ',' or '\]'", "a [ is not closed, or a comma is missing"),
    (r"expected ',' or '\}'", "a {{ is not closed, or a comma is missing"),
    (r"expected the node content", "a value is missing between the brackets or commas"),
    (r"expected <block end>", "does not fit the lines above, check the indentation"),
    (r"expected <document start>", "does not fit the lines above, check the indentation"),
    (r"but found another document", "`---` begins a second document, the configuration is one"),
    (r"undefined tag handle", "text that begins with ! must be in quotes"),
)
_OPENS_EARLIER = ("while scanning a simple key", "while scanning a quoted scalar")


def explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """The line (from 1) and the reason of a syntax error, without any part of the file's text."""
    if isinstance(error, yaml.reader.ReaderError):
        position = error.position if isinstance(error.position, int) else 0
        return text.count("\n", 0, position) + 1, "a control character, which YAML does not allow"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, "is not valid YAML"
    mark = error.problem_mark
    if error.context_mark is not None and error.context in _OPENS_EARLIER:
        mark = error.context_mark
    line = 1 if mark is None else mark.line + 1
    for pattern, reason in _REASONS:
        found = re.search(pattern, error.problem or "")
        if found:
            return line, reason.format(*found.groups())
    return line, "is not valid YAML"
