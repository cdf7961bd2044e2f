"""The folder of photos: one folder for each person, each holding that person's photos.

A folder is named after its person, or holds a `person.json` with the name, `{"version": 1, "name": "..."}`, as the
folders made by `store_photo` do: a name is free text and a folder's name cannot be. Pictures in its folder `not` show
somebody who was taken for the person and is not. Other folders in it, hidden ones and files that are no pictures are
ignored; pictures of a kind that is not read are told.
"""

import hashlib
import json
import logging
import os
import shutil
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from camwatch.errors import PhotoError, UnknownPerson, one_line
from camwatch.files import as_owner_of, from_json, write_whole
from camwatch.identification.cache import CACHE_FILE, keep_rows
from camwatch.identification.folder import keep_private, locked
from camwatch.names import checked_name, slug, untellable

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
OTHER_SUFFIXES = frozenset(
    {".arw", ".avif", ".cr2", ".cr3", ".dng", ".gif", ".heic", ".heif", ".hif", ".jp2", ".jxl", ".nef", ".raf"}
)
"""Pictures that phones and cameras make and that are not read."""
NAME_FILE = "person.json"
NEGATIVES = "not"
"""Name of the folder of negatives within a person's."""
_SETTLED_NS = 2_000_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A photo as it lies in the folder; `sha256` is the hex digest of its content, `negative` as in `Enrolled`."""

    person: str
    path: Path
    sha256: str
    negative: bool = False


@dataclass(frozen=True, slots=True)
class FolderScan:
    """What a folder of photos holds.

    Attributes:
        photos: By person, then by path.
        problems: One line for each thing that could not be read, or is not as it should be.
        signature: As `signature` gave it before the first file was read, so that a later change shows.
    """

    folder: Path
    photos: tuple[PhotoFile, ...]
    problems: tuple[str, ...]
    signature: str

    @property
    def people(self) -> tuple[str, ...]:
        """Names of all with at least one photo, in alphabetical order."""
        return tuple(sorted({photo.person for photo in self.photos if not photo.negative}))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` erased: photos and folders as they were called, and how many cached photos."""

    person: str
    folders: tuple[Path, ...]
    photos: tuple[Path, ...]
    cached: int
    targets: tuple[Path, ...] = ()
    """Photos elsewhere that links in the gallery led to; they are still there."""


def signature(folder: Path) -> str:
    """A digest of the names, sizes and times of all pictures and name files, cheap enough to be asked every second.

    Empty where the folder does not exist.
    """
    if not folder.is_dir():
        return ""
    lines = []
    people = list(_folders(folder))
    for home in [folder, *people, *_present(one / NEGATIVES for one in people)]:
        lines.append(home.name)  # an empty folder is told too
        for path in [home / NAME_FILE, *_images(home, IMAGE_SUFFIXES | OTHER_SUFFIXES)]:
            try:
                stat = path.stat()
            except OSError:
                continue
            lines.append(f"{path.relative_to(folder)}\0{stat.st_mtime_ns}\0{stat.st_size}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def scan(folder: Path, *, allow_empty: bool = False, any_name: bool = False) -> FolderScan:
    """Find everybody's photos and hash them.

    What cannot be read, and who has a name that cannot be told of, is told in `problems` and left out.

    Args:
        folder: The folder of folders.
        allow_empty: Whether a folder without any photo will do.
        any_name: Take everybody, as where nobody is told of them.

    Raises:
        PhotoError: There is no such folder, or nobody in it.
    """
    if not folder.is_dir():
        raise PhotoError(f"{folder}: no such folder; it should hold one folder of photos for each person")
    mark = signature(folder)
    photos: list[PhotoFile] = []
    problems: list[str] = []
    homes: dict[str, Path] = {}
    for person_folder in _folders(folder):
        person, trouble = _person(person_folder)
        problems += [trouble] if trouble else []
        if not any_name and (wrong := untellable(person)):
            problems.append(f"{person_folder}: left out: {person[:80]!r} is {wrong}")
            continue
        first = homes.setdefault(person, person_folder)
        if first != person_folder:
            problems.append(f"{first} and {person_folder}: both called {person}, taken for one person")
        problems += _unread(person_folder)
        for path in [*_images(person_folder), *_negatives(person_folder)]:
            try:
                digest = _digest(path)
            except OSError as error:
                problems.append(f"{path}: cannot be read: {error.strerror or error}")
                continue
            photos.append(PhotoFile(person, path, digest, path.parent != person_folder))
    problems += [f"{path}: not in a person's folder, left out" for path in _images(folder)]
    if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        problems.append(f"{folder}: cannot be listed or searched by this user")
    if not photos and not allow_empty:
        why = f": {problems[0]}" if problems else ""
        raise PhotoError(f"{folder}: nobody in it; it should hold one folder of photos for each person{why}")
    photos.sort(key=lambda photo: (photo.person, photo.path))
    return FolderScan(folder, tuple(photos), tuple(map(one_line, problems)), mark)


def store_photo(folder: Path, person: str, data: bytes, suffix: str, *, negative: bool = False) -> Path:
    """Add a photo to a person's folder, which is made where the person has none.

    The file is named after its content, so that the same photo is stored once.

    Args:
        folder: The folder of folders; made, for its owner alone, where it does not exist.
        person: The person's name, free text. Different names get different folders, whatever their slugs.
        data: The photo's file as it is.
        suffix: What it is, such as `.jpg`.
        negative: It shows somebody who was taken for the person.

    Returns:
        Where the photo now lies.

    Raises:
        PhotoError: The name or the suffix cannot be used, or the folder cannot be written.
    """
    name = checked_name(person)
    if wrong := untellable(name):
        raise PhotoError(f"{name[:80]!r}: {wrong}")
    if suffix.lower() not in IMAGE_SUFFIXES:
        raise PhotoError(f"{suffix or 'no suffix'}: not a picture; one of {', '.join(sorted(IMAGE_SUFFIXES))} is")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_private(folder)
        home = next((one for one in _folders(folder) if _person(one)[0] == name), None)
        made = home is None
        home = home or _make_home(folder, name)
        try:
            return _put(home, data, suffix, negative)
        except OSError:
            if made:  # nobody is called so
                shutil.rmtree(home, ignore_errors=True)
            raise
    except OSError as error:
        raise PhotoError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from error


def _put(home: Path, data: bytes, suffix: str, negative: bool) -> Path:
    keep_private(home)
    if negative:
        home = home / NEGATIVES
        home.mkdir(mode=0o700, exist_ok=True)
        keep_private(home)
    path = home / f"{hashlib.sha256(data).hexdigest()[:16]}{suffix.lower()}"
    write_whole(path, data)
    return path


def forget(folder: Path, person: str) -> Forgotten:
    """Erase all that the folder holds of a person: cached embeddings, photos, the person's folders.

    Also the same pictures where they deny others. Other pictures of the person there cannot be told from strangers'.

    Raises:
        UnknownPerson: Nobody has this name.
        PhotoError: Something could not be erased.
    """
    name = unicodedata.normalize("NFC", person).strip()
    found = scan(folder, allow_empty=True, any_name=True)
    homes = [one for one in _folders(folder) if _person(one)[0] == name]
    if not homes:
        there = ", ".join(found.people) or "nobody"
        raise UnknownPerson(f"{folder}: nobody is called {person!r}; there are: {there}")
    own = {photo.sha256 for photo in found.photos if photo.person == name and not photo.negative}
    # The same picture may say of another person that this is not who it is: it still shows this one.
    shown = [photo for photo in found.photos if photo.person == name or (photo.negative and photo.sha256 in own)]
    photos = tuple(photo.path for photo in shown)
    targets = tuple(path.resolve() for path in photos if path.is_symlink())
    try:
        with as_owner_of(folder), locked(folder):  # but looked at as who asks: root sees more
            cached = keep_rows(folder, {photo.sha256 for photo in found.photos if photo not in shown})
            for leftover in folder.glob(f".{CACHE_FILE}.*"):  # what a crash left of the cache
                leftover.unlink(missing_ok=True)
            for home in homes:
                _erase(home)
            for photo in shown:
                photo.path.unlink(missing_ok=True)
            _sync(folder)
    except OSError as error:
        raise PhotoError(f"{error.filename or folder}: cannot be erased: {error.strerror or error}") from error
    return Forgotten(name, tuple(homes), photos, cached, targets)


def _digest(path: Path) -> str:
    """The SHA-256 of a file; one that has not changed since it was read is not read again.

    Raises:
        OSError: It cannot be read.
    """
    about = path.stat()
    changed = max(about.st_mtime_ns, about.st_ctime_ns)
    if not 0 <= changed < time.time_ns() - _SETTLED_NS:  # else a change could leave size and times as they are
        return _hash(path)
    return _known_digest(path, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)


@lru_cache(maxsize=20_000)
def _known_digest(path: Path, *_state: int) -> str:
    return _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folders(folder: Path) -> Iterator[Path]:
    """The folders of people, by name."""
    return iter(sorted(path for path in _listed(folder) if _is_folder(path)))


def _images(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[Path]:
    return sorted(path for path in _listed(folder) if path.suffix.lower() in suffixes and _is_file(path))


def _negatives(home: Path) -> list[Path]:
    return _images(home / NEGATIVES) if _is_folder(home / NEGATIVES) else []


def _present(folders: Iterable[Path]) -> list[Path]:
    return [folder for folder in folders if _is_folder(folder)]


def _is_folder(path: Path) -> bool:
    """False also where it cannot be told: Path.is_dir raises where its parent may not be searched."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _unread(folder: Path) -> list[str]:
    """What to tell of a person's folder without a photo, or with pictures of kinds that are not read."""
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        return [f"{folder}: cannot be listed: {error.strerror or error}"]
    others = [path.name for path in _images(folder, OTHER_SUFFIXES)]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        return [f"{folder / others[0]}{more}: of a kind that is not read, convert to JPEG"]
    return [] if _images(folder) else [f"{folder}: no photo in it"]


def _listed(folder: Path) -> list[Path]:
    """All that is not hidden; nothing where the folder cannot be listed."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:  # `scan` tells of it
        return []


def _person(folder: Path) -> tuple[str, str | None]:
    """The person of a folder, and what was wrong with its name file, if anything."""
    own = one_line(unicodedata.normalize("NFC", folder.name))
    path = folder / NAME_FILE
    try:
        content = from_json(path.read_text("utf-8"))
        if not isinstance(content, dict) or content.get("version") != 1:
            return own, f"{path}: not version 1 of a name file; the folder's name is used"
        if not isinstance(content["name"], str):
            raise ValueError("a name is text")
        return checked_name(content["name"]), None
    except FileNotFoundError:
        strange = own != unicodedata.normalize("NFC", folder.name)
        return own, f"{folder}: holds what no name can, its person is called {own}" if strange else None
    except OSError as error:
        if not os.access(folder, os.X_OK, effective_ids=True):  # `scan` tells that nothing in it can be read
            return own, None
        return own, f"{path}: cannot be read: {error.strerror or error}; the folder's name is used"
    except (ValueError, KeyError, PhotoError):
        return own, f"{path}: damaged; the folder's name is used"


def _make_home(folder: Path, name: str) -> Path:
    """A new folder for a person, by slug, with a number behind it where another person has that slug."""
    content = json.dumps({"version": 1, "name": name}, ensure_ascii=False).encode("utf-8")
    base = slug(name)
    count = 1
    while True:
        home = folder / (base if count == 1 else f"{base}_{count}")
        try:
            home.mkdir(mode=0o700)
        except FileExistsError:
            count += 1
            continue
        try:
            write_whole(home / NAME_FILE, content)
        except OSError:
            shutil.rmtree(home, ignore_errors=True)
            raise
        return home


def _sync(folder: Path) -> None:
    """Bring removals to disk, so that nobody comes back after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _erase(home: Path) -> None:
    """Remove a person's folder; of one that is a link, the photos it shows and the link."""
    if not home.is_symlink():
        shutil.rmtree(home)
        return
    parts = home.glob(".*.new")
    negatives = home / NEGATIVES
    if negatives.is_symlink():
        for path in _negatives(home):
            path.unlink(missing_ok=True)
        negatives.unlink()
    elif negatives.is_dir():
        shutil.rmtree(negatives)
    for path in [home / NAME_FILE, *_images(home, IMAGE_SUFFIXES | OTHER_SUFFIXES), *parts]:
        path.unlink(missing_ok=True)
    os.unlink(home)  # noqa: PTH108 - Path.unlink on a link to a folder is the same call; this says what is meant
