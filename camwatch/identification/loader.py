"""From a folder of photos to a gallery, embedding only what the cache does not know."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from camwatch.errors import PhotoError, one_line
from camwatch.files import as_owner_of
from camwatch.identification.cache import CachedPhoto, read_cache, write_cache
from camwatch.identification.faces import FolderScan, PhotoFile, scan
from camwatch.identification.folder import locked
from camwatch.identification.gallery import Gallery
from camwatch.records import Enrolled

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedFolder:
    """A gallery and where it came from; `problems` has one line for each photo that could not be used."""

    gallery: Gallery
    problems: tuple[str, ...]
    signature: str


def load_folder(
    folder: Path, network: str, enroll: Callable[[str, Path], Enrolled], *, allow_empty: bool = False
) -> LoadedFolder:
    """Read a folder of photos and embed its new photos; the cache in it is then brought up to date.

    Args:
        folder: One folder for each person.
        network: Id of the network behind `enroll`.
        enroll: Finds and embeds the face of a photo, given the person and the path.
        allow_empty: Whether a folder without anybody usable will do.

    Raises:
        PhotoError: There is no such folder, or no usable photo in it.
    """
    found = scan(folder, allow_empty=allow_empty)
    cached = read_cache(folder, network)
    known, fresh = split(found, cached)
    refused: list[str] = []
    enrolled = list(known)
    for photo in fresh:
        try:
            new = enroll(photo.person, photo.path)
        except PhotoError as error:
            refused.append(str(error))
            continue
        enrolled.append(enrolled_from(found, photo, new))
    if not any(not one.negative for one in enrolled) and not allow_empty:
        why = refused[0] if refused else "all show who is not the person"
        raise PhotoError(f"{folder}: no photo with a usable face: {why}")
    if {one.sha256 for one in enrolled} != set(cached):
        with as_owner_of(folder):
            save(folder, network, enrolled)
    return LoadedFolder(assembled(enrolled, network), (*found.problems, *refused), found.signature)


def save(folder: Path, network: str, enrolled: Iterable[Enrolled], *, timeout: float = 5.0) -> bool:
    """Bring the cache up to date: what is known of the photos that are in the folder now, by whomever.

    While these were embedded others may have come, and some may have been forgotten: they must not come back.

    Args:
        folder: The gallery's.
        network: Id of the network that made the embeddings.
        enrolled: The photos that are known here.
        timeout: Seconds to wait for others who write there.

    Returns:
        Whether it was written; where it cannot be, a warning says so and nothing is lost.
    """
    try:
        with locked(folder, timeout):
            there = {photo.sha256 for photo in scan(folder, allow_empty=True).photos}
            known = read_cache(folder, network, again=True) | {
                one.sha256: CachedPhoto(one.sha256, one.embeddings, one.quality) for one in enrolled
            }
            return write_cache(folder, network, [photo for digest, photo in known.items() if digest in there])
    except (OSError, PhotoError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        _log.warning("%s: embeddings are not cached: %s", folder, reason or error)
        return False


def assembled(enrolled: Sequence[Enrolled], network: str) -> Gallery:
    """The gallery of these photos; a warning names people who can hardly be told apart."""
    gallery = Gallery(enrolled, network)
    for one, other, score in gallery.lookalikes():
        _log.warning("gallery: %s and %s look the same (%.2f): neither will be named easily", one, other, score)
    return gallery


def split(found: FolderScan, cached: Mapping[str, Enrolled | CachedPhoto]) -> tuple[list[Enrolled], list[PhotoFile]]:
    """The photos whose embeddings are known, by SHA-256, and those that are still to be embedded."""
    known: list[Enrolled] = []
    fresh: list[PhotoFile] = []
    for photo in found.photos:
        row = cached.get(photo.sha256)
        if row is None:
            fresh.append(photo)
        else:
            known.append(enrolled_from(found, photo, row))
    return known, fresh


def enrolled_from(found: FolderScan, photo: PhotoFile, known: Enrolled | CachedPhoto) -> Enrolled:
    """A photo of the folder, with what is known of its content."""
    where = relative(found, photo)
    return Enrolled(photo.person, where, photo.sha256, known.embeddings, known.quality, photo.negative)


def relative(found: FolderScan, photo: PhotoFile) -> str:
    """A photo's path as the gallery knows it: inside the folder, with `/`, and fit to be told and stored as text."""
    return one_line(photo.path.relative_to(found.folder).as_posix())
