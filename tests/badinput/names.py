"""Names of people: typed, in `person.json`, and of folders that somebody made by hand."""

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from camwatch.errors import PhotoError
from camwatch.identification.faces import forget, scan, store_photo
from camwatch.names import slugs
from camwatch.publishing.events import person_state
from camwatch.publishing.topics import Topics
from camwatch.records import PersonState
from tests.badinput.kind import Kind, WrongAnswerError
from tests.badinput.photos import GOOD

SLUG = re.compile(r"[a-z0-9_]{1,63}")
ANY = st.text(st.characters(), max_size=40)
PARTS = [
    *(
        "..",
        "/",
        "\\",
        "~",
        ".",
        " ",
        "\n",
        "\0",
        "+",
        "#",
        "$",
        "%s",
        "{0}",
        "Ann",
        "аnn",
        "Ａｎｎ",
        "ß",
        "İ",
        "'",
        '"',
    ),
    *("\u200d", "\u202e", "\u2028", "\ud800", "\udcff", "e\u0301", "é", "👩‍🚀", "ﷺ", "\U0001d160", "\x1b[31m"),
]
NASTY = st.lists(
    st.one_of(
        st.sampled_from(PARTS),
        st.text(st.characters(), max_size=2),
    ),
    max_size=10,
).map("".join)
LONG = st.tuples(st.sampled_from(["a", "é", "李", "../", "ﷺ", "\u0301", "👩"]), st.integers(150, 10_000)).map(
    lambda both: both[0] * both[1]
)
FOLDERS = st.binary(min_size=1, max_size=60).filter(lambda name: b"/" not in name and b"\0" not in name)
NAMED = {
    "up and away": "../../etc/passwd",
    "from the root": "/etc/passwd",
    "10,000 letters": "a" * 10_000,
    "nothing": "",
    "spaces": " \t ",
    "a dot": ".",
    "two dots": "..",
    "null": "a\0b",
    "look-alike": "аnn",
    "line separator": "a\u2028b",
    "the name file": "person.json",
    "the cache": ".embeddings.npz",
    "a wildcard": "+/#",
}


def _looked_at(faces: Path, allowed: set[str] | None = None) -> list[str]:
    """The names in a folder of photos, each fit for events, topics and terminals."""
    people = list(scan(faces, allow_empty=True).people)
    for name in people:
        person_state(PersonState(name, False, None, None))
        if len(name) > 260 or not name or any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in name):
            raise WrongAnswerError(f"taken for a name: {name!r}")
        if allowed is not None and name not in allowed:
            raise WrongAnswerError(f"{name!r} is nobody")
    given = slugs(people)
    if len(set(given.values())) != len(people) or not all(SLUG.fullmatch(slug) for slug in given.values()):
        raise WrongAnswerError(f"slugs {given}")
    for slug in given.values():
        Topics("camwatch", "node").person_state(slug)
    return people


def _typed(folder: Path) -> Callable[[str | bytes | tuple[str, str]], None]:
    """A name that is enrolled and forgotten; bytes are the name of a folder, a pair is one beside another."""
    faces = folder / "faces"

    def read(value: str | bytes) -> None:
        shutil.rmtree(faces, ignore_errors=True)
        faces.mkdir()
        if isinstance(value, bytes):
            _made_by_hand(faces, value)
            return
        other = store_photo(faces, "Ann", GOOD["PNG"], ".png")
        stored = store_photo(faces, value, GOOD["JPEG"], ".jpg")
        name = unicodedata.normalize("NFC", value).strip()
        if stored.parent.parent != faces or not stored.is_file() or (stored.parent == other.parent) != (name == "Ann"):
            raise WrongAnswerError(f"stored at {stored}")
        if name not in _looked_at(faces, {"Ann", name}):
            raise WrongAnswerError(f"{value!r} was not found again")
        forget(faces, value)
        if name in _looked_at(faces) or (name != "Ann" and not other.is_file()):
            raise WrongAnswerError(f"{value!r} was not forgotten, or Ann was")

    return read


def _made_by_hand(faces: Path, name: bytes) -> None:
    home = os.fsencode(faces) + b"/" + name
    if name in (b".", b".."):
        return
    os.mkdir(home)  # noqa: PTH102 - a name of any bytes
    with open(home + b"/photo.jpg", "wb") as file:  # noqa: PTH123 - likewise
        file.write(GOOD["JPEG"])
    found = scan(faces, allow_empty=True)
    for problem in found.problems:
        if len(problem.splitlines()) > 1:
            raise WrongAnswerError(f"a problem of two lines: {problem!r}")
    people = _looked_at(faces)
    if not people and not found.problems and not name.startswith(b"."):
        raise WrongAnswerError("left out without a word")
    if found.problems and not people:
        raise PhotoError(found.problems[0])


def _name_file(folder: Path) -> Callable[[bytes], None]:
    home = folder / "faces" / "ann"
    home.mkdir(parents=True)
    (home / "photo.jpg").write_bytes(GOOD["JPEG"])

    def read(data: bytes) -> None:
        (home / "person.json").write_bytes(data)
        if len(_looked_at(folder / "faces")) != 1:
            raise WrongAnswerError("whose photo is it?")
        problems = scan(folder / "faces").problems
        if problems:
            raise PhotoError(problems[0])

    return read


FILES = st.one_of(ANY, NASTY, LONG, st.none(), st.integers(), st.lists(st.text(max_size=3), max_size=2)).map(
    lambda name: json.dumps({"version": 1, "name": name}).encode()
)
DEEP = {
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "deep and closed": b"[" * 3000 + b"]" * 3000,
    "deep within": b'{"version": 1, "name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nothing": b"",
    "null": b"null",
    "a number of 100,000 digits": b"9" * 100_000,
    "no UTF-8": b'{"version": 1, "name": "\xff"}',
    "half a character": b'{"version": 1, "name": "\\ud800"}',
    "a mark before": b"\xef\xbb\xbf{}",
    "UTF-16": '{"version": 1}'.encode("utf-16"),
}
KINDS = (
    Kind("names", _typed, {"any": ANY, "nasty": NASTY, "long": LONG, "folders": FOLDERS}, NAMED, share=4),
    Kind("name files", _name_file, {"names": FILES}, DEEP, share=1),
)
