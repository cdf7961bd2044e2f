"""Habits of the code: small files, documented modules, narrow catches, nothing that ties the project to one place."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "camwatch").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST = 400
MAY_CATCH_ALL = re.compile(r"service/(app|\w+_main)\.py")
MAY_PRINT = re.compile(r"__main__\.py|(cli|tools)/.*")
VAGUE = re.compile(r"utils?|helpers?|commons?|managers?|misc")


def inside(file: Path) -> str:
    """The path in the package: `service/app.py`."""
    return file.relative_to(ROOT / "camwatch").as_posix()


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package, parsed."""
    for file in PACKAGE:
        yield inside(file), ast.parse(file.read_text("utf-8"))


def tracked() -> list[Path]:
    """Files of the project: what git knows or would add; without git, everything but hidden folders."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        hidden = {".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
        files = [file for file in ROOT.rglob("*") if not hidden & set(file.parts)]
    else:
        files = [ROOT / name for name in asked.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and not file.is_symlink()]


@pytest.mark.parametrize("file", PACKAGE + TESTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_is_long(file: Path) -> None:
    lines = file.read_bytes().count(b"\n")
    assert lines <= LONGEST


def test_every_module_says_what_it_is() -> None:
    assert [name for name, tree in trees() if not ast.get_docstring(tree)] == []


def test_package_roots_import_nothing() -> None:
    found = []
    for name, tree in trees():
        imports = any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))
        if imports and name.endswith("__init__.py"):
            found.append(name)
    assert found == []


def test_no_module_has_a_vague_name() -> None:
    parts = {part for name, _ in trees() for part in Path(name).with_suffix("").parts}
    assert [part for part in parts if VAGUE.fullmatch(part)] == []


def test_only_process_mains_catch_everything() -> None:
    found = []
    for name, tree in trees():
        handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
        if not MAY_CATCH_ALL.fullmatch(name):
            found += [f"{name}:{node.lineno}" for node in handlers if swallows_everything(node)]
    assert found == []


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Whether it catches every exception and does not end with raising it again."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    if handler.type is None:
        return True
    return any(isinstance(n, ast.Name) and n.id in {"Exception", "BaseException"} for n in ast.walk(handler.type))


def test_only_commands_print() -> None:
    found = []
    for name, tree in trees():
        if MAY_PRINT.fullmatch(name):
            continue
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        found += [f"{name}:{n.lineno}" for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
    assert found == []


def test_arrays_are_loaded_without_pickles() -> None:
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in {"np.load", "numpy.load"}:
                continue
            said = {keyword.arg: keyword.value for keyword in node.keywords}.get("allow_pickle")
            if not (isinstance(said, ast.Constant) and said.value is False):
                found.append(f"{name}:{node.lineno}")
    assert found == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|NotImplemented[E]rror)\b")
    assert [str(f.relative_to(ROOT)) for f in PACKAGE + TESTS if later.search(f.read_text("utf-8"))] == []


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    registries = [r"pyp[i]\.org", r"pythonhoste[d]\.org", r"registry\.npmj[s]", r"deb\.debia[n]\.org", "index-" "url"]
    places = [r"(?<![\w.*])/(work|root)/\w", r"(?<![\w.*])/tmp/[A-Z]"]
    pattern = re.compile("|".join(registries + places))
    found = []
    for file in tracked():
        data = file.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []
