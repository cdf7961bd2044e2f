"""What is kept beside the events, in folders of the state directory: pictures of faces, and accounts of decisions.

Events go on without either where the disk refuses them.
"""

import errno
import logging
import math
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import cv2

from camwatch.errors import StateError, one_line
from camwatch.files import remove_parts
from camwatch.names import name_digest
from camwatch.publishing import accounts, snapshots
from camwatch.publishing.accounts import ACCOUNTS_FOLDER, LARGEST, Accounts, went_on_as
from camwatch.publishing.events import naming
from camwatch.publishing.shelf import erase, files_of, orphans
from camwatch.publishing.snapshots import SNAPSHOTS_FOLDER, Snapshots
from camwatch.records import Event, EventType

log = logging.getLogger(__name__)

FOLDERS = (SNAPSHOTS_FOLDER, ACCOUNTS_FOLDER)
_TROUBLE = (StateError, OSError, ValueError, TypeError, cv2.error)  # whatever it is, the event must not be lost for it
_SCARCE, _ROOM_EVERY = 4_000_000, 10.0  # bytes, seconds
_EACH_VISIT = 2  # accounts of a visit, usually


class Archive:
    """Keeps pictures and accounts of events.

    Args:
        state: The state directory.
        faces: Whether pictures and embeddings of faces are kept, or only the numbers that came of them.
        keep: Of how many visits at most.
        max_age: Seconds.

    Attributes:
        faces: As given, False once `keep_no_faces` was called.

    Raises:
        StateError: A folder cannot be made.
    """

    def __init__(self, state: Path, *, faces: bool, keep: int, max_age: float) -> None:
        """Make the folders."""
        self.faces = faces
        self._state, self._made_room = state, -math.inf
        self._snapshots = Snapshots(state / SNAPSHOTS_FOLDER, keep=keep, max_age=max_age) if faces else None
        self._accounts = Accounts(state / ACCOUNTS_FOLDER, faces=faces, keep=_EACH_VISIT * keep, max_age=max_age)
        self._broken: set[str] = set()

    def keep_no_faces(self) -> None:
        """From now on keep numbers only."""
        self.faces, self._snapshots = False, None
        self._accounts.faces = False

    def picture(self, event: Event, now: float) -> str | None:
        """Keep the picture of an event; returns its file name, None where there is no picture, or no place for it.

        Args:
            event: As decided.
            now: UTC seconds.
        """
        if self._snapshots is None or event.chip is None:
            return None
        try:
            name = self._snapshots.save(event.visit_id, event.chip, now)
        except _TROUBLE as error:
            self._complain(SNAPSHOTS_FOLDER, error)
            return None
        self._broken.discard(SNAPSHOTS_FOLDER)
        return name

    def account(self, event: Event, now: float) -> None:
        """Keep why an event says what it says; the arguments as above. After the event, which needs the place more."""
        try:
            self._accounts.save(event, now)
        except _TROUBLE as error:
            self._complain(ACCOUNTS_FOLDER, error)
        else:
            self._broken.discard(ACCOUNTS_FOLDER)

    def make_room(self, now: float) -> int:
        """Give up the older half of the accounts where the disk is nearly full: events go first. How many went.

        Args:
            now: UTC seconds; once in a while is enough.
        """
        if self._made_room <= now < self._made_room + _ROOM_EVERY:
            return 0
        try:
            if shutil.disk_usage(self._state).free >= _SCARCE:
                return 0
            self._made_room = now
            return self._accounts.halve()
        except OSError as error:
            self._complain(ACCOUNTS_FOLDER, error)
            return 0

    def _complain(self, what: str, error: Exception) -> None:
        if what not in self._broken:
            log.error("%s; events go without", one_line(str(error)))
        self._broken.add(what)


def prune(state: Path, *, keep: int, max_age: float, now: float) -> None:
    """Remove what is too old or too much, also where none is kept any more; the arguments are as above.

    Raises:
        StateError, OSError: Something cannot be removed.
    """
    try:
        if (state / SNAPSHOTS_FOLDER).is_dir():
            Snapshots(state / SNAPSHOTS_FOLDER, keep=keep, max_age=max_age).prune(now)
    finally:
        if (state / ACCOUNTS_FOLDER).is_dir():
            Accounts(state / ACCOUNTS_FOLDER, faces=False, keep=_EACH_VISIT * keep, max_age=max_age).prune(now)


def accounts_of(state: Path, person: str, visits: Collection[str]) -> list[Path]:
    """The accounts of a person's visits, and those of others that name the person; the arguments are as below.

    Raises:
        StateError: One cannot be read.
    """
    folder = state / ACCOUNTS_FOLDER
    others = orphans(folder, accounts.SUFFIX, visits)
    marks = naming(person), name_digest(person).encode()
    named = [path for path in others if any(mark in content for content in (_content(path),) for mark in marks)]
    return files_of(folder, accounts.SUFFIX, visits) + named


def erase_person(state: Path, person: str, visits: Collection[str]) -> None:
    """Remove pictures and accounts of a person's visits, and the accounts of others that name the person.

    A visit that turned out to be the person's, and went on as another one, has no name; its picture goes, too.

    Args:
        state: The state directory.
        person: The name.
        visits: Ids of the person's visits.

    Raises:
        StateError: Something cannot be read or removed.
    """
    found = accounts_of(state, person, visits)
    others = {path: path.name.partition(".")[0] for path in found}
    joined = {visit for path, visit in others.items() if visit not in visits and went_on_as(path, person)}
    erase(files_of(state / SNAPSHOTS_FOLDER, snapshots.SUFFIX, joined.union(visits)))
    erase({*found, *files_of(state / ACCOUNTS_FOLDER, accounts.SUFFIX, joined)})


def erase_orphans(state: Path, visits: Collection[str]) -> None:
    """Remove what is of visits that the history does not know, or half written: nobody could say whose it is.

    Args:
        state: The state directory; nobody else may be writing there.
        visits: Ids of all visits in the history.

    Raises:
        StateError: Something cannot be removed.
    """
    for folder, suffix in ((SNAPSHOTS_FOLDER, snapshots.SUFFIX), (ACCOUNTS_FOLDER, accounts.SUFFIX)):
        remove_parts(state / folder)
        erase(orphans(state / folder, suffix, visits))


def shows_face(event: Event) -> bool:
    """Whether the picture of an event is to be published: at its decision, not at its end."""
    return event.chip is not None and event.event_type is not EventType.ENDED


def _content(path: Path) -> bytes:
    """What a file holds that may be an account; nothing of what cannot be one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(LARGEST) if os.fstat(descriptor).st_size <= LARGEST else b""
    except FileNotFoundError:
        return b""
    except OSError as error:
        if error.errno == errno.ELOOP:
            return b""
        raise StateError(f"{path}: cannot be read: {error.strerror}") from error
