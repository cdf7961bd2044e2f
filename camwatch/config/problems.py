"""pydantic's validation errors as lines for the user: where, which key, what is wrong, what would be right."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from camwatch.config.fields import alternatives, shown
from camwatch.config.yamlfile import Document, KeyPath, Problem, dotted, nearest

Model = type[BaseModel]
MOST = 100
"""Problems that are told; who has more does not read them all."""


def explain(error: ValidationError, document: Document, root: Model) -> list[Problem]:
    """One problem for each error of a file's validation.

    Left out are values that the document itself complained of, and missing keys that were only misspelt.
    """
    problems, misspelt, missing = [], set(), []
    for detail in error.errors(include_url=False, include_input=True)[: MOST + 1]:  # one more tells that there are more
        path = tuple(part for part in detail["loc"] if part != "[key]")
        about = detail.get("ctx", {}).get("key")
        path = tuple(about.split(".")) if about else path
        if any(path[: len(broken)] == broken for broken in document.broken):
            continue
        text = _sentence(detail, path, root)
        if detail["type"] == "missing":
            missing.append(path)
        elif detail["type"] == "extra_forbidden":
            misspelt.add((*path[:-1], nearest(str(path[-1]), _keys(path[:-1], root))))
        problems.append(Problem(document.file, document.line(path), path, text))
    spurious = misspelt.intersection(missing)
    return [found for found in problems if found.path not in spurious]


def _sentence(detail: ErrorDetails, path: KeyPath, root: Model) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(path, root)
        case "missing":
            return _missing(path, root)
        case "model_type" | "model_attributes_type":
            return _no_section(detail["input"], path, root)
        case "dict_type":
            return f"{_without_text(detail['input'])}, must hold {_CAMERAS}"
        case "too_short":
            return f"is empty, must hold {_CAMERAS}"
        case "tuple_type":
            return f"{shown(detail['input'])}, must be a list"
    return detail["msg"]


_CAMERAS = "one section for each camera, for example `front_door: {source: rtsp://192.168.1.20/stream1}`"


def _without_text(value: object) -> str:
    """`shown`, without text that is not known to be harmless."""
    return shown(value) if isinstance(value, list | None) else "is a single value"


def _unknown(path: KeyPath, root: Model) -> str:
    key, keys = str(path[-1]), _keys(path[:-1], root)
    near = nearest(key, keys)
    if near:
        return f"unknown key, did you mean {near}?"
    homes = [home for home in _all_keys(root) if home.rpartition(".")[2] == key]
    if homes and len(homes) <= 3:
        return f"unknown key here, did you mean {alternatives(homes)}?"
    return f"unknown key, must be {alternatives(keys)}"


def _missing(path: KeyPath, root: Model) -> str:
    section = _type_at(path[:-1], root)
    field = section.model_fields[str(path[-1])] if _is_section(section) else None
    if field is not None and field.examples:
        return f"is missing, give for example `{path[-1]}: {field.examples[0]}`"
    return f"is missing, must hold {_CAMERAS}"


def _no_section(value: object, path: KeyPath, root: Model) -> str:
    if not path:
        return f"must hold sections such as {alternatives([f'`{key}:`' for key in root.model_fields])}"
    if len(path) > 1 and path[-1] in _keys((*path[:-1], ""), root):
        return "stands where a camera's name is due, indent it below the name"
    text = f"must be a section of `key: value` lines, indented under `{dotted(path[-1:])}:`"
    return f"{_without_text(value)}, {text}"


def _type_at(path: KeyPath, root: Model) -> Any:
    """The type that the configuration has at a path, None where it has none."""
    kind: Any = root
    for part in path:
        if _is_section(kind):
            field = kind.model_fields.get(part)
            kind = field.annotation if field else None
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else None
        if get_origin(kind) is not dict:
            kind = next(filter(_is_section, get_args(kind)), kind)
    return kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _keys(path: KeyPath, root: Model) -> list[str]:
    section = _type_at(path, root)
    return list(section.model_fields) if _is_section(section) else []


def _all_keys(root: Model, path: KeyPath = ()) -> Iterator[str]:
    """Every key of the configuration, dotted; the cameras' under the word NAME."""
    if get_origin(_type_at(path, root)) is dict:
        path = (*path, "NAME")
    for key in _keys(path, root):
        yield dotted((*path, key))
        yield from _all_keys(root, (*path, key))
