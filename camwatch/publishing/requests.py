"""Requests to forget somebody, in the state folder: left by `camwatch forget`, acted on by who holds the database.

`STATE/forget/ID.json` is `{"version": 1, "person": NAME, "slug": SLUG}`. Once the person is erased from the disk the
name goes out of it, and the slug alone tells what is still to be cleared at the broker. Then the file goes.
"""

import json
import logging
import os
import re
import secrets
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from camwatch.errors import StateError
from camwatch.files import from_json, write_whole

log = logging.getLogger(__name__)

REQUESTS_FOLDER = "forget"
"""Name of the folder within the state directory."""
VERSION = 1
LARGEST = 65536
_SLUG = re.compile(r"[a-z0-9_]{1,200}")


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody is to be forgotten.

    Attributes:
        path: The file.
        person: The name; None once nothing on the disk is left to be erased.
        slug: What stands for the name in topics.
    """

    path: Path
    person: str | None
    slug: str


class Requests:
    """Those of one state folder."""

    def __init__(self, state: Path) -> None:
        """Nothing is made before `ask`."""
        self._folder = state / REQUESTS_FOLDER
        self._unreadable: set[Path] = set()

    def ask(self, person: str, slug: str) -> Request:
        """Leave a request.

        Raises:
            StateError: It cannot be written.
        """
        request = Request(self._folder / f"{secrets.token_hex(4)}.json", person, slug)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            _write(request)
        except OSError as error:
            raise StateError(f"{self._folder}: cannot leave a request here: {error.strerror}") from error
        return request

    def waiting(self) -> list[Request]:
        """All that have not been acted on in full; what cannot be read is told once."""
        found = []
        for path in sorted(self._folder.glob("[!.]*.json")):
            try:
                found.append(read_request(path))
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                if path not in self._unreadable:
                    log.error("%s: not a request to forget somebody: %s", path, error)
                self._unreadable.add(path)
        return found

    def erased(self, request: Request) -> Request:
        """The person is erased from the disk: the name goes out of the request, which is returned anew.

        Raises:
            OSError: It cannot be written.
        """
        request = replace(request, person=None)
        _write(request)
        return request

    def done(self, request: Request) -> None:
        """Remove a request."""
        request.path.unlink(missing_ok=True)


def read_request(path: Path) -> Request:
    """A request's file.

    Raises:
        OSError: It cannot be read, or is not there any more.
        ValueError: It is not one.
    """
    content = from_json(_small(path).decode("utf-8"))
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise ValueError(f"not version {VERSION} of one")
    person, slug = content.get("person"), content.get("slug")
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        raise ValueError("no slug in it")
    if person is None:
        return Request(path, None, slug)
    if not isinstance(person, str) or not person.strip():
        raise ValueError("no name in it")
    person.encode()  # a ValueError where it is no text that could be written
    return Request(path, person, slug)


def _small(path: Path) -> bytes:
    """A small file that is one: no link, no device, no pipe that would be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            raise ValueError("no small file")
        return file.read(LARGEST)


def _write(request: Request) -> None:
    content: dict[str, object] = {"version": VERSION, "slug": request.slug}
    if request.person is not None:
        content["person"] = request.person
    write_whole(request.path, json.dumps(content).encode())
