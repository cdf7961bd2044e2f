"""What is kept beside the events, in folders of the state directory: pictures of faces, and accounts of decisions.

Events go on without either where the disk refuses them.
"""

import logging
from collections.abc import Collection
from pathlib import Path

from camwatch.errors import StateError
from camwatch.files import remove_parts
from camwatch.publishing import accounts, snapshots
from camwatch.publishing.accounts import ACCOUNTS_FOLDER, Accounts
from camwatch.publishing.events import naming
from camwatch.publishing.shelf import erase, files_of, orphans
from camwatch.publishing.snapshots import SNAPSHOTS_FOLDER, Snapshots
from camwatch.records import Event, EventType

log = logging.getLogger(__name__)

FOLDERS = (SNAPSHOTS_FOLDER, ACCOUNTS_FOLDER)
_EACH_VISIT = 2  # accounts of a visit, usually


class Archive:
    """Keeps pictures and accounts of events.

    Args:
        state: The state directory.
        faces: Whether pictures and embeddings of faces are kept, or only the numbers that came of them.
        keep: Of how many visits at most.
        max_age: Seconds.

    Attributes:
        faces: As given.

    Raises:
        StateError: A folder cannot be made.
    """

    def __init__(self, state: Path, *, faces: bool, keep: int, max_age: float) -> None:
        """Make the folders."""
        self.faces = faces
        self._snapshots = Snapshots(state / SNAPSHOTS_FOLDER, keep=keep, max_age=max_age) if faces else None
        self._accounts = Accounts(state / ACCOUNTS_FOLDER, faces=faces, keep=_EACH_VISIT * keep, max_age=max_age)
        self._broken = False

    def keep_no_faces(self) -> None:
        """From now on keep numbers only."""
        self.faces, self._snapshots = False, None
        self._accounts.faces = False

    def keep(self, event: Event, now: float) -> str | None:
        """Keep what there is of an event; returns the picture's file name, None where there is no picture.

        Args:
            event: As decided.
            now: UTC seconds.
        """
        name = None
        try:
            if self._snapshots is not None and event.chip is not None:
                name = self._snapshots.save(event.visit_id, event.chip, now)
            self._accounts.save(event, now)
        except StateError as error:
            if not self._broken:
                log.error("%s; events go without", error)
            self._broken = True
        else:
            self._broken = False
        return name


def prune(state: Path, *, keep: int, max_age: float, now: float) -> None:
    """Remove what is too old or too much, also where none is kept any more; the arguments are as above.

    Raises:
        StateError, OSError: Something cannot be removed.
    """
    if (state / SNAPSHOTS_FOLDER).is_dir():
        Snapshots(state / SNAPSHOTS_FOLDER, keep=keep, max_age=max_age).prune(now)
    if (state / ACCOUNTS_FOLDER).is_dir():
        Accounts(state / ACCOUNTS_FOLDER, faces=False, keep=_EACH_VISIT * keep, max_age=max_age).prune(now)


def accounts_of(state: Path, person: str, visits: Collection[str]) -> list[Path]:
    """The accounts of a person's visits, and those of others that name the person; the arguments are as below.

    Raises:
        StateError: One cannot be read.
    """
    folder = state / ACCOUNTS_FOLDER
    others = orphans(folder, accounts.SUFFIX, visits)
    return files_of(folder, accounts.SUFFIX, visits) + [path for path in others if naming(person) in _content(path)]


def erase_person(state: Path, person: str, visits: Collection[str]) -> None:
    """Remove pictures and accounts of a person's visits, and the accounts of others that name the person.

    Args:
        state: The state directory.
        person: The name.
        visits: Ids of the person's visits.

    Raises:
        StateError: Something cannot be read or removed.
    """
    erase(files_of(state / SNAPSHOTS_FOLDER, snapshots.SUFFIX, visits))
    erase(accounts_of(state, person, visits))


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
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}") from error
