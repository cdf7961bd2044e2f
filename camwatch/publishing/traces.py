"""What the state folder still has of a person: the proof of `camwatch forget`, and what it leaves to be cleared."""

import json
from pathlib import Path
from typing import Any

from camwatch.files import from_json
from camwatch.names import name_digest
from camwatch.publishing.discovery import DISCOVERY_FILE
from camwatch.publishing.entities import person_keys
from camwatch.publishing.events import naming
from camwatch.publishing.kept import FORGOTTEN, KEPT_FILE
from camwatch.publishing.requests import REQUESTS_FOLDER, Requests
from camwatch.publishing.snapshots import SNAPSHOTS_FOLDER

_NAMELESS = frozenset({SNAPSHOTS_FOLDER, REQUESTS_FOLDER, "engine"})
"""Folders whose files hold no names, or are read in another way."""


def slug_in(state: Path, person: str) -> str | None:
    """The slug by which a person is known at the broker; None where the state folder knows of none."""
    return next((slug for slug, name in _part(state / KEPT_FILE, "slugs").items() if name == person), None)


def traces(state: Path, person: str) -> list[str]:
    """Where a person is still named: one line for each file.

    The database, its log and whatever else lies in the folder are searched byte by byte for the name as events write
    it, so also in space that was freed.
    """
    found = []
    name, digest = naming(person), name_digest(person).encode()
    escaped = json.dumps({"person": person}, separators=(",", ":"))[1:-1].encode()
    for path in sorted(path for path in state.rglob("*") if path.is_file()):
        if path.relative_to(state).parts[0] in _NAMELESS and not path.name.endswith(".new"):
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(f"{path}: cannot be searched: {error.strerror}")
            continue
        if name in content or escaped in content or digest in content:
            aside = "; a damaged database that was kept aside: remove it" if ".damaged-" in path.name else ""
            found.append(f"{path}: names {person}{aside}")
    kept = state / KEPT_FILE
    if person in (*_part(kept, "slugs").values(), *_part(kept, "topics").values()):
        found.append(f"{kept}: names {person}")
    found += [
        f"{path}: is damaged, and names {person}" for path in (kept, state / DISCOVERY_FILE) if _torn(path, person)
    ]
    found += [f"{one.path}: names {person}" for one in Requests(state).waiting() if one.person == person]
    return found


def retained(state: Path, slug: str, person: str = FORGOTTEN) -> list[str]:
    """The retained topics that tell of a person or show the face, as far as the broker may still have them."""
    keys = person_keys(slug)
    marks = [f"/person/{slug}/", *(f"/{key}/" for key in keys)]
    found = {
        topic
        for topic, whose in _part(state / KEPT_FILE, "topics").items()
        if whose in (person, FORGOTTEN) or any(mark in topic for mark in marks)
    }
    for part in ("announced", "left"):
        entities = _part(state / DISCOVERY_FILE, part)
        found |= {topic for topic, of_it in entities.items() if isinstance(of_it, dict) and keys & of_it.keys()}
    return sorted(found)


def _part(path: Path, key: str) -> dict[str, Any]:
    """A part of a JSON file; empty where there is none, and where it is damaged: the daemon makes it anew then."""
    try:
        part = from_json(path.read_text("utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return part if isinstance(part, dict) else {}


def _torn(path: Path, person: str) -> bool:
    """Whether a file that is no JSON any more has the name in it."""
    try:
        content = path.read_text("utf-8", "replace")
        from_json(content)
    except OSError:
        return False
    except ValueError:
        return any(json.dumps(person, ensure_ascii=ascii_) in content for ascii_ in (True, False))
    return False
