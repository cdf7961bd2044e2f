"""YAML with lines: what is read, what is refused, and that no value leaks into a message."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.config.yamlfile import Document, Inserted, dotted, nearest, read
from camwatch.config.yamlsyntax import scalar
from camwatch.errors import ConfigError


def document(folder: Path, text: str, **environ: str) -> Document:
    file = folder / "x.yml"
    file.write_text(text, "utf-8")
    return read(file, environ=environ)


def complaints(folder: Path, text: str, **environ: str) -> list[str]:
    """The problems of a file, without its folder; also those that stop the reading."""
    try:
        problems = [str(problem) for problem in document(folder, text, **environ).problems]
    except ConfigError as error:
        problems = list(error.problems)
    return [problem.replace(f"{folder}/", "") for problem in problems]


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    found = document(tmp_path, "a: 1\nb:\n  c: [x, y]\n  d:\n    - 1\n    - {e: 2}\n")
    assert found.data == {"a": 1, "b": {"c": ["x", "y"], "d": [1, {"e": 2}]}}
    assert found.lines[("b", "c")] == 3
    assert found.lines[("b", "d", 1, "e")] == 6
    assert found.line(("b", "d", 0)) == 5


def test_line_of_a_key_that_is_not_there_is_its_section(tmp_path: Path) -> None:
    found = document(tmp_path, "a: 1\nb:\n  c: 2\n")
    assert found.line(("b", "z", "y")) == 2
    assert found.line(("z",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("yes", True),
        ("Off", False),
        ("010", 10),
        ("-3", -3),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("12:30", "12:30"),
        ("2026-11-24", "2026-11-24"),
        ("0x10", "0x10"),
        ("192.168.1.10", "192.168.1.10"),
        (".nan", ".nan"),
        ("y", "y"),
    ],
)
def test_scalars(tmp_path: Path, text: str, value: object) -> None:
    assert scalar(text) == value
    assert document(tmp_path, f"k: {text}\n").data == {"k": value}


def test_quotes_make_text(tmp_path: Path) -> None:
    assert document(tmp_path, "a: '1'\nb: \"yes\"\n").data == {"a": "1", "b": "yes"}


def test_keys_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    assert document(tmp_path, "1: a\non: b\n").data == {"1": "a", "on": "b"}


def test_an_absurdly_long_number_is_still_a_number() -> None:
    assert scalar("9" * 400) == float("inf")


def test_merge_keys_and_anchors(tmp_path: Path) -> None:
    text = "base: &b\n  fps: 5\n  loop: false\nmine:\n  <<: *b\n  fps: 9\n"
    found = document(tmp_path, text)
    assert found.data == {"base": {"fps": 5, "loop": False}, "mine": {"fps": 9, "loop": False}}
    assert (found.line(("mine", "fps")), found.line(("mine", "loop"))) == (6, 3)


def test_duplicate_keys_are_all_named(tmp_path: Path) -> None:
    assert complaints(tmp_path, "a: 1\nb: {c: 1, c: 2}\na: 3\n") == [
        "x.yml:2: b.c: is given a second time, keep this one or the one in line 2",
        "x.yml:3: a: is given a second time, keep this one or the one in line 1",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a:\n\tb: 1\n", "x.yml:2: a tab cannot indent, use spaces"),
        ("a: @pw\n", "x.yml:1: text that begins with @ must be in quotes"),
        ("a: *pw\n", "x.yml:1: text that begins with * must be in quotes (there is no such anchor)"),
        ("a: 1\nb: 'pw\nc: 2\n", "x.yml:2: a quote that opens here is never closed"),
        ("a: 1\n b: 2\n", None),
        ("a:\n  b: 1\n c: 2\n", "x.yml:3: does not fit the lines above, check the indentation"),
        ("a: 1\nb\nc: 2\n", "x.yml:2: is no `key: value` line, check the colon and the space after it"),
        ("a: {b: 1\nc: 2\n", "x.yml:2: a { is not closed, or a comma is missing"),
        ("a: [1, 2\nc: 2\n", "x.yml:2: a [ is not closed, or a comma is missing"),
        ('a: "C:\\pw"\n', "x.yml:1: a backslash in double quotes starts an escape, use single quotes"),
        ("a: 1\n---\nb: 2\n", "x.yml:2: `---` begins a second document, the configuration is one"),
        ("a: 1\nb: \x01\n", "x.yml:2: holds a control character, which YAML does not allow"),
        ("[" * 3000, "x.yml: is nested too deeply"),
    ],
)
def test_syntax_errors(tmp_path: Path, text: str, complaint: str | None) -> None:
    found = complaints(tmp_path, text)
    assert len(found) == 1
    assert "pw" not in found[0]
    if complaint:
        assert found == [complaint]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yml"
    file.write_bytes(text.encode("utf-8", "replace"))
    try:
        read(file, environ={})
    except ConfigError as error:
        assert "\n" not in str(error)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.yml"
    with pytest.raises(ConfigError, match=r"none\.yml: no such file$"):
        read(missing)
    with pytest.raises(ConfigError, match=r"is a folder, must be a YAML file$"):
        read(tmp_path)
    (tmp_path / "latin.yml").write_bytes("a: 1\nb: grün\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yml:2: is not UTF-8 text"):
        read(tmp_path / "latin.yml")
    (tmp_path / "film.mp4").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        read(tmp_path / "film.mp4")


def test_aliases_that_never_end(tmp_path: Path) -> None:
    assert complaints(tmp_path, "a: &x\n  b: *x\n") == ["x.yml:1: a.b: an anchor holds an alias to itself"]
    layers = ["a0: &a0 [1, 1]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert complaints(tmp_path, "\n".join(layers)) == ["x.yml: its anchors and aliases multiply to too many values"]


def test_keys_that_are_no_text(tmp_path: Path) -> None:
    assert complaints(tmp_path, "a:\n  ? [x]\n  : 1\n") == ["x.yml:2: a: a key must be text, not a list or a section"]
    assert complaints(tmp_path, "a:\n  <<: 5\n") == ["x.yml:2: a: << must name a section, or a list of sections"]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("!hunter2", "text that begins with ! must be in quotes (known tags: !secret NAME, !env_var NAME [default])"),
        ("!secrets x", "unknown tag, did you mean !secret?"),
        ("!include x.yml", "!include is not known, the configuration is one file"),
        ("!secret", "!secret needs a name: !secret NAME"),
        ("!env_var [a]", "!env_var needs a name: !env_var NAME"),
        ("!!float nan", "its !! tag is not known here or does not fit the value, leave the tag out"),
        ("!!bool maybe", "its !! tag is not known here or does not fit the value, leave the tag out"),
        ("!!null x", "its !! tag is not known here or does not fit the value, leave the tag out"),
        ("!!int five", "its !! tag is not known here or does not fit the value, leave the tag out"),
        ("!!map x", "its !! tag is not known here or does not fit the value, leave the tag out"),
    ],
)
def test_tags_that_mean_nothing(tmp_path: Path, value: str, complaint: str) -> None:
    found = document(tmp_path, f"a:\n  k: {value}\n")
    assert [problem.text for problem in found.problems] == [complaint]
    assert str(found.problems[0]).endswith(f"x.yml:2: a.k: {complaint}")
    assert found.broken == {("a", "k")}
    assert found.data == {"a": {"k": None}}


def test_environment_variables(tmp_path: Path) -> None:
    found = document(tmp_path, "a: !env_var HOST\nb: !env_var PORT 18 83\n", HOST="broker")
    assert found.data == {"a": "broker", "b": "18 83"}
    assert complaints(tmp_path, "a: !env_var HOST\n") == [
        "x.yml:1: a: environment variable HOST is not set, set it or write !env_var HOST DEFAULT"
    ]


def test_explicit_tags_that_fit(tmp_path: Path) -> None:
    text = "a: !!float 5\nb: !!str 5\nc: !!bool 'on'\nd: !!int '7'\ne: !!null ''\n"
    assert document(tmp_path, text).data == {"a": 5.0, "b": "5", "c": True, "d": 7, "e": None}


def test_a_variable_that_is_no_name_is_not_repeated(tmp_path: Path) -> None:
    assert complaints(tmp_path, "a: !env_var u:hunter2@h\n") == [
        "x.yml:1: a: environment variable NAME is not set, set it or write !env_var NAME DEFAULT"
    ]


def test_secrets_are_text_even_where_they_look_like_numbers(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("pin: 0042\nroot: !env_var ROOT\n")
    found = document(tmp_path, "a: !secret pin\nb: !secret root\n", ROOT="r")
    assert found.data == {"a": "0042", "b": "r"}
    assert isinstance(found.data, dict) and isinstance(found.data["a"], Inserted)
    assert found.problems == ()


def test_secrets_that_are_not_there(tmp_path: Path) -> None:
    text = "a: !secret mqtt_pasword\nb: !secret hunter2\n"
    assert complaints(tmp_path, text) == [
        f"x.yml:{line}: {key}: !secret needs the file secrets.yaml, make it with a line `NAME: VALUE`"
        for line, key in ((1, "a"), (2, "b"))
    ]
    (tmp_path / "secrets.yaml").write_text("mqtt_password: x\n")
    assert complaints(tmp_path, text) == [
        "x.yml:1: a: secrets.yaml has no secret of this name, did you mean mqtt_password?",
        "x.yml:2: b: secrets.yaml has no secret of this name, add it there as `NAME: VALUE`",
    ]


@pytest.mark.parametrize(
    ("secrets", "complaint"),
    [
        ("k: [hunter2]\n", "secrets.yaml:1: k: must be one value, not a section or a list"),
        ("- hunter2\n", "secrets.yaml:1: must hold lines `NAME: VALUE`"),
        ("k: @hunter2\n", "secrets.yaml:1: text that begins with @ must be in quotes"),
        ("k: 1\nj: !secret k\n", "secrets.yaml:2: j: secrets.yaml cannot refer to itself, write the value here"),
        ("j: 1\nj: 2\n", "secrets.yaml:2: j: is given a second time, keep this one or the one in line 1"),
    ],
)
def test_a_broken_secrets_file_is_blamed_itself(tmp_path: Path, secrets: str, complaint: str) -> None:
    (tmp_path / "secrets.yaml").write_text(secrets)
    assert complaint in complaints(tmp_path, "a: !secret k\n")


def test_a_file_without_secrets_never_reads_them(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("]")
    assert complaints(tmp_path, "a: 1\n") == []


def test_words_for_paths_and_slips() -> None:
    assert dotted(("cameras", "door", "motion", "masks", 0)) == "cameras.door.motion.masks[0]"
    assert dotted(("cameras", "Front Door", "rtsp://u:p@h", "a\nb")) == "cameras.Front Door.(a key here).(a key here)"
    assert nearest("Min-Face", ["min_face", "fps"]) == "min_face"
    assert nearest("banana", ["min_face", "fps"]) is None


@pytest.mark.parametrize("escape", ["\\UFFFFFFFF", "\\U00110000", "\\ud800"])
def test_an_escape_that_stands_for_no_character(tmp_path: Path, escape: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.yml:2: holds an escape") if escape[1] == "U" else nullcontext():
        found = document(tmp_path, f'a: 1\nb: "{escape}"\n')
        assert [str(problem) for problem in found.problems] == [
            f"{tmp_path}/x.yml:2: b: holds an escape (a backslash and a number) that stands for no character"
        ]


def test_aliases_that_nest_deeper_than_the_text(tmp_path: Path) -> None:
    opened, closed = "[" * 280, "]" * 280
    text = f"a: &a {opened}{closed}\nb: &b {opened}*a{closed}\nc: {opened}*b{closed}\n"
    with pytest.raises(ConfigError, match="nested too deeply"):
        document(tmp_path, text)


def test_a_merged_section_has_the_lines_of_its_anchor_and_the_own_keys_theirs(tmp_path: Path) -> None:
    found = document(tmp_path, "a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\n")
    assert found.data == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}
    assert (found.line(("b", "x")), found.line(("b", "y"))) == (2, 6)
