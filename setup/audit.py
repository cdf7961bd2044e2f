"""Is everything that camwatch installs pinned, and is what is installed what is pinned? `make audit`.

    python setup/audit.py [--licences]

Needs no network. Complains of pins that are not exact, of packages that nobody has pinned, and of others than the
pinned versions; ends with 1 where there is something to complain of. Whether a pinned version has a known weakness
only somebody with a network can tell: `make audit` asks pip-audit where it is installed. Run it with the Python that
camwatch is installed for.
"""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRAS = ("demo", "dev")
"""What `make install` installs; `bench` and images have pins too."""
BUILD = ("setuptools", "wheel")
"""What the package is built with."""
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+!-]+)")


def pins(text: str) -> tuple[dict[str, str], list[str]]:
    """The exact pins of a file of constraints by canonical name, and the lines that are none."""
    found: dict[str, str] = {}
    wrong = []
    for line in text.splitlines():
        bare = line.partition("#")[0].partition(" --hash")[0].strip()
        match = _PIN.fullmatch(bare)
        if match is None:
            wrong += [bare] if bare else []
        elif canonicalize_name(match[1]) in found:
            wrong.append(f"{bare} (twice)")
        else:
            found[canonicalize_name(match[1])] = match[2]
    return found, wrong


def closure(requirements: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Every installed package that these ask for, themselves included, by canonical name.

    Args:
        requirements: Extras by package.
    """
    waiting = [(canonicalize_name(name), extra) for name, extras in requirements.items() for extra in ("", *extras)]
    done = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        try:
            asked = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for line in asked:
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(wanted.name), each) for each in ("", *wanted.extras)]
    yield from sorted({name for name, _ in done if _version(name) is not None})


def complaints(root: Path = ROOT) -> list[str]:
    """What is not as it should be, one line each."""
    pinned, wrong = pins((root / "constraints.txt").read_text("utf-8"))
    found = [f"constraints.txt: not one exact version: {line}" for line in wrong]
    for name in ("setup/footage.txt", "docker/constraints-gpu.txt"):
        others, wrong = pins((root / name).read_text("utf-8"))
        found += [f"{name}: not one exact version: {line}" for line in wrong]
        found += [
            f"{name}: {package}=={version}, and {pinned[package]} in constraints.txt"
            for package, version in others.items()
            if pinned.get(package, version) != version
        ]
    installed = set(closure({"camwatch": EXTRAS} | dict.fromkeys(BUILD, ()))) - {"camwatch"}
    for package in sorted(installed):
        version = _version(package)
        if package not in pinned:
            found.append(f"{package}: installed as {version}, and not pinned in constraints.txt")
        elif pinned[package] != version:
            found.append(f"{package}: installed as {version}, pinned as {pinned[package]}")
    return found + _project(root, pinned)


def _project(root: Path, pinned: Mapping[str, str]) -> list[str]:
    """What pyproject.toml asks for that has no pin, or one that it does not allow."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for each in project["optional-dependencies"].values() for line in each)]
    found = []
    for wanted in map(Requirement, lines):
        version = pinned.get(canonicalize_name(wanted.name))
        if version is None:
            found.append(f"pyproject.toml: {wanted.name} is not pinned in constraints.txt")
        elif not wanted.specifier.contains(version, prereleases=True):
            found.append(f"pyproject.toml: wants {wanted}, constraints.txt pins {version}")
    return found


def licences() -> Iterator[str]:
    """Package, version and licence, as the packages tell it themselves."""
    for package in closure({"camwatch": EXTRAS}):
        if package == "camwatch":
            continue
        about = importlib.metadata.metadata(package)
        told, *_ = [*about.get_all("License-Expression", []), *about.get_all("License", []), ""]
        told = told.strip().partition("\n")[0].replace("UNKNOWN", "")
        classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if "License ::" in line]
        yield f"{package:28} {about['Version']:18} {(told or ', '.join(classified) or 'not told')[:70]}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main() -> int:
    """Print the complaints, or the licences; the exit status."""
    if sys.argv[1:] == ["--licences"]:
        print(*licences(), sep="\n")
        return 0
    found = complaints()
    for line in found:
        print(f"audit: {line}", file=sys.stderr)
    if not found:
        count = sum(1 for _ in closure({"camwatch": EXTRAS}))
        print(f"audit: {count} packages are installed for camwatch, all as constraints.txt pins them")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
