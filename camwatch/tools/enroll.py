"""`camwatch enroll`: people into the gallery, and faces that are somebody else's out of their way."""

import errno
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.image_header import read_header
from camwatch.engine.photos import enroll_content, enroll_photo, load_photo
from camwatch.errors import InputError, PhotoError, one_line
from camwatch.files import as_owner_of
from camwatch.identification.cache import read_cache
from camwatch.identification.faces import FolderScan, scan, store_photo
from camwatch.identification.folder import locked
from camwatch.identification.gallery import LOOKALIKE, SAME_PICTURE, Gallery, unit
from camwatch.identification.loader import enrolled_from, save, split
from camwatch.identification.promise import promised
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.tracker import SAME_FACE
from camwatch.names import checked_name, untellable
from camwatch.records import Embedding, Enrolled, Quality
from camwatch.tools.dataset import FaceNetworks
from camwatch.tools.progress import Steps
from camwatch.tools.visit_faces import VisitFace, faces_of

ENOUGH = 3
"""Photos from which on more of them help little."""
SOMEBODY_ELSE = 0.15
"""Similarity to a person's other photos below which a photo cannot be of the same person."""
_TRIES = 20
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}


def enroll(
    name: str,
    photos: Sequence[Path],
    faces: Path,
    *,
    negative: bool = False,
    from_event: str | None = None,
    state: Path | None = None,
    anyway: bool = False,
    analyzer: FaceNetworks | None = None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
) -> int:
    """Add photos of a person to the gallery, each checked first: one usable face, and not that of somebody else.

    The photos are copied, named after their content. One line for each photo tells what became of it.

    Args:
        name: The person's name, free text.
        photos: Files.
        faces: The gallery, one folder of photos per person; made where it does not exist.
        negative: They show somebody who was taken for the person and is not.
        from_event: Take the faces of a visit, too: the id of one of its events.
        state: The daemon's state directory, where the event is.
        anyway: Take them although the event gave another name, or they look like somebody else who is enrolled.
        analyzer: Finds and embeds the faces; loaded here by default.
        results: Where the lines go; stdout by default.
        notes: Where hints go; stderr by default.

    Returns:
        The exit status: 2 where a photo was refused, so that a script can tell, 1 where the disk was full or the
        gallery busy; the others are in the gallery.

    Raises:
        PhotoError: The name cannot be one, or the gallery cannot be read or written.
        InputError: There is nothing to enroll; there is no such event, or it has no faces, or another name.
        StateError: The state cannot be read.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    name = checked_name(name)
    if wrong := untellable(name):
        raise PhotoError(f"{name[:80]!r}: {wrong}")
    if not photos and from_event is None:
        raise InputError("nothing to enroll: give photos, or --from-event ID with --state DIR")
    found = scan(faces, allow_empty=True) if faces.exists() else None
    taken: list[VisitFace] = []
    if from_event is not None:
        taken = _faces_of(from_event, state or Path(), None if negative or anyway else name)
        print(f"faces of the visit: {len(taken)}", file=notes)
    desk = _Desk(name, faces, analyzer or FaceAnalyzer(), notes, negative=negative, anyway=anyway)
    if found is not None:
        for problem in found.problems:
            print(problem, file=notes)
        desk.load(found)
    desk.needs_the_person()
    for other in desk.gallery.people:
        if other != name and other.casefold() == name.casefold():
            print(f"{other} is enrolled already; {name} is somebody else here", file=notes)
    there, failed = 0, False
    given: list[Path | VisitFace] = [*photos, *taken]
    for photo in given:
        try:
            said, hints = desk.add(photo) if isinstance(photo, Path) else desk.add_face(photo)
        except PhotoError as error:
            print(f"refused  {error}", file=results)
            failed = failed or error.failed
            continue
        there += 1
        print(one_line(said), file=results)
        for hint in hints:
            print(one_line(hint), file=notes)
    asked = len(given)
    if there < asked:
        print(f"{there} of {asked} photos are in the gallery", file=notes)
    count = desk.keep()
    if there and not negative and count < ENOUGH:
        some = "1 photo" if count == 1 else f"{count} photos"
        print(f"{name} has {some}; three to five, taken on different days, are recognized better", file=notes)
    for line in desk.lookalikes():
        print(line, file=notes)
    if there:
        print(desk.promise(), file=notes)
    return 0 if there == asked else 1 if failed else 2


def _faces_of(event_id: str, state: Path, name: str | None) -> list[VisitFace]:
    """The faces of a visit; `name` is who it must not have been told not to be, None for anybody."""
    person, found = faces_of(event_id, state)
    if name is not None and person not in (None, name):
        raise InputError(f"{event_id}: this event says {person}, not {name}; if it was {name}: --anyway")
    return found


class _Desk:
    """Where photos are looked at, one after the other."""

    def __init__(
        self, name: str, faces: Path, analyzer: FaceNetworks, notes: TextIO, *, negative: bool, anyway: bool
    ) -> None:
        self._name, self._faces, self._analyzer, self._notes = name, faces, analyzer, notes
        self._negative, self._anyway = negative, anyway
        self._enrolled: list[Enrolled] = []
        self._owners: set[tuple[str, str, bool]] = set()  # content, person, negative
        self._useless: set[str] = set()  # contents that have been told of
        self._changed = False
        self._judge()

    @property
    def gallery(self) -> Gallery:
        """Who is enrolled so far."""
        return self._recognizer.gallery

    def load(self, found: FolderScan) -> None:
        """Take over who is enrolled already."""
        self._owners = _owners(found)
        own = {one.sha256: one for one in self._enrolled}
        self._enrolled, fresh = split(
            found, {**read_cache(self._faces, self._analyzer.network, again=bool(own)), **own}
        )
        fresh = [photo for photo in fresh if photo.sha256 not in self._useless]
        with Steps("reading the gallery", len(fresh), stream=self._notes) as steps:
            for photo in fresh:
                steps.advance()
                try:
                    one = enroll_photo(self._analyzer, photo.person, photo.path, strict=False)
                except PhotoError as error:
                    self._useless.add(photo.sha256)
                    steps.note(f"left out {error}")
                    continue
                self._enrolled.append(enrolled_from(found, photo, one))
                self._changed = True
        self._judge()

    def add(self, path: Path) -> tuple[str, list[str]]:
        """Check a photo and store it; what to say of it, and what to think about.

        Raises:
            PhotoError: It is refused.
        """
        return self._add(path, load_photo(path), None)

    def add_face(self, face: VisitFace) -> tuple[str, list[str]]:
        """The same with a face of a visit."""
        return self._add(Path(face.name), face.png, face.quality)

    def _add(self, path: Path, data: bytes, before: Quality | None) -> tuple[str, list[str]]:
        """`before` is the quality of a face before it was cut out and scaled."""
        digest = hashlib.sha256(data).hexdigest()
        if self._present(path, data, digest):
            return f"present  {path}: in the gallery already", []
        one = enroll_content(self._analyzer, self._name, data, path, strict=True)
        probe = unit(one.embeddings.sum(axis=0, dtype=np.float64))
        header = read_header(data)
        suffix = _SUFFIXES[header.format] if header else path.suffix
        for _ in range(_TRIES):
            hints = self._hints(path, probe)
            stored = self._store(path, data, suffix)
            if stored is not None:
                break
            self.load(scan(self._faces, allow_empty=True))  # another `enroll` was here since
            self.needs_the_person()
            if self._present(path, data, digest):
                return f"present  {path}: in the gallery already", []
        else:
            said = f"{path}: not added, {self._faces} changes all the time; try again later"
            raise PhotoError(said) from TimeoutError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        where = stored.relative_to(self._faces).as_posix()
        self._enrolled.append(replace(one, photo=where, negative=self._negative))
        self._owners.add((digest, self._name, self._negative))
        self._changed = True
        self._judge()
        measured = before or one.quality
        said = f"added    {path}: face {measured.height:.0f} pixels high, sharpness {measured.sharpness:.0f}"
        return said, [hint.format(stored=stored) for hint in hints]

    def _store(self, path: Path, data: bytes, suffix: str) -> Path | None:
        """Put a photo into the gallery; None, and nothing done, where others have changed that since it was looked at.

        Nobody may enroll between the last look and the new photo. No face is looked for meanwhile: others wait.
        """
        try:
            with as_owner_of(self._faces):
                self._faces.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._faces):
                if _owners(scan(self._faces, allow_empty=True)) != self._owners:
                    return None
                with as_owner_of(self._faces):
                    return store_photo(self._faces, self._name, data, suffix, negative=self._negative)
        except OSError as error:
            reason = error.strerror or error
            raise PhotoError(f"{path}: cannot be put into {self._faces}: {reason}") from error

    def needs_the_person(self) -> None:
        """Only who is enrolled can be taken for somebody.

        Raises:
            PhotoError: The person is not, or not any more.
        """
        if self._negative and self._name not in self.gallery.people:
            raise PhotoError(
                f"{self._faces}: nobody is called {self._name!r}; only who is enrolled can be taken for somebody"
            )

    def _present(self, path: Path, data: bytes, digest: str) -> bool:
        """Whether the photo is there already.

        Raises:
            PhotoError: It is, and says something else there.
        """
        if data and (digest, self._name, self._negative) in self._owners:
            return True
        for content, person, negative in sorted(self._owners):
            # This may well be Bob who is not Ann; but not Ann who is not Ann, nor Bob who is Ann.
            if data and content == digest and (person == self._name or not (negative or self._negative)):
                of = f"one who is not {person}" if negative else f"a photo of {person}"
                those = (
                    one
                    for one in self._enrolled
                    if (one.sha256, one.person, one.negative) == (digest, person, negative)
                )
                where = next((f": {self._faces / one.photo}" for one in those), "")
                raise PhotoError(f"{path}: is in the gallery already, as {of}{where}")
        return False

    def _hints(self, path: Path, probe: Embedding) -> list[str]:
        """What to think about, `{stored}` standing for where it will lie.

        Raises:
            PhotoError: It must not be taken.
        """
        return self._denied(path, probe) if self._negative else self._likeness(path, probe)

    def _likeness(self, path: Path, probe: Embedding) -> list[str]:
        """Whether it may be of this person; what to think about."""
        hints = []
        found = self._recognizer.identify(probe)
        if found.best is not None and found.person not in (None, self._name):
            alike = f"looks like {found.person}, who is enrolled already (similarity {found.best.score:.2f})"
            if not self._anyway:
                raise PhotoError(f"{path}: {alike}; if it is {self._name}, who only looks like that: --anyway")
            hints.append(f"{_plain(path)}: {_plain(alike)}; if it is {_plain(found.person)}, remove {{stored}}")
        elif found.person is None:
            hints += self._hidden(path, probe)
        own = self.gallery.score(probe, self._name)
        if own is None:
            return hints
        against = self.gallery.against(probe, self._name)
        if against is not None and against >= own:
            negatives = [one for one in self._enrolled if one.negative and one.person == self._name]
            denier = max(negatives, key=lambda one: self._alike(one, probe))
            raise PhotoError(
                f"{path}: is more like one who is not {self._name} ({against:.2f}) than like {self._name} ({own:.2f});"
                f" if that one is {self._name}, remove {self._faces / denier.photo} first"
            )
        if own < SOMEBODY_ELSE:
            raise PhotoError(
                f"{path}: is of somebody else than the other photos of {self._name} (similarity {own:.2f});"
                f" if it is they that are wrong: camwatch forget, then enroll again"
            )
        if own < SAME_FACE:
            hints.append(
                f"{_plain(path)}: hardly looks like the other photos of {_plain(self._name)} ({own:.2f});"
                " if wrong, remove {stored}"
            )
        nearest = self.gallery.nearest_photos(probe, 1)[0]
        if nearest.person == self._name and nearest.score >= SAME_PICTURE:
            hints.append(
                f"{_plain(path)}: shows the same as {_plain(nearest.photo)} ({nearest.score:.2f});"
                " photos of other days would tell more"
            )
        return hints

    def _alike(self, photo: Enrolled, probe: Embedding) -> float:
        """Similarity to one photo alone, negative or not."""
        return Gallery([replace(photo, negative=False)], self._analyzer.network).score(probe, photo.person) or 0.0

    def _hidden(self, path: Path, probe: Embedding) -> list[str]:
        """What to think about where a denied face alone keeps it from having somebody's name."""
        if not self.gallery.has_negatives:
            return []
        shown = Gallery([one for one in self._enrolled if not one.negative], self._analyzer.network)
        found = Recognizer(shown).identify(probe)
        if found.best is None or found.person in (None, self._name):
            return []
        of = _plain(found.person)
        return [
            f"{_plain(path)}: looks like {of} ({found.best.score:.2f}), but more like one who is not; if it is {of},"
            " remove {stored}"
        ]

    def _denied(self, path: Path, probe: Embedding) -> list[str]:
        """Whether the person would still be known with this face denied; what to think about."""
        own = self.gallery.score(probe, self._name) or 0.0
        photos = [one for one in self._enrolled if one.person == self._name and not one.negative]
        if len(photos) == 1 and own >= SAME_FACE:
            return self._denied_beside_one(path, own)
        lost = [one.photo for one in photos if self._would_lose(one, probe)]
        if lost:
            raise PhotoError(
                f"{path}: is too much like {self._name} (similarity {own:.2f}): with it {len(lost)} of"
                f" {len(photos)} photos of {self._name} would not be {self._name} any more, such as {lost[0]}"
            )
        if own < SAME_FACE:
            return [f"{_plain(path)}: is not like {_plain(self._name)} anyway ({own:.2f}), so it changes little"]
        return []

    def _denied_beside_one(self, path: Path, own: float) -> list[str]:
        """What to think about where one photo cannot tell a look-alike from the person."""
        if own >= LOOKALIKE and not self._anyway:
            raise PhotoError(
                f"{path}: is too much like the only photo of {self._name} (similarity {own:.2f}) to be told from it;"
                f" enroll more photos of {self._name} first, or if it surely is somebody else: --anyway"
            )
        return [
            f"{_plain(path)}: with one photo of {_plain(self._name)} it cannot be told whether this is"
            f" {_plain(self._name)} ({own:.2f}); if it is, remove {{stored}}"
        ]

    def _would_lose(self, photo: Enrolled, probe: Embedding) -> bool:
        """Whether one of the person's own photos is more like the face denied than like the other photos."""
        own = unit(photo.embeddings.sum(axis=0, dtype=np.float64))
        others = [one for one in self._enrolled if one.person == self._name and one.photo != photo.photo]
        rest = Gallery([one for one in others if not one.negative] or [photo], self._analyzer.network)
        as_denied = Gallery([replace(photo, embeddings=probe[None])], self._analyzer.network)
        return (as_denied.score(own, self._name) or 0.0) >= (rest.score(own, self._name) or 0.0)

    def lookalikes(self) -> list[str]:
        """Who looks like this person, and what that means."""
        return [
            f"{one} and {other} look the same ({score:.2f}): neither will be named easily; more photos of both may help"
            for one, other, score in self.gallery.lookalikes()
            if self._name in (one, other)
        ]

    def promise(self) -> str:
        """What a name needs in this gallery, as far as it is known without a configuration."""
        rate, needed = self._recognizer.false_alarm_rate, self._recognizer.limit().threshold
        return f"with false_alarm_rate {rate:g} a name needs {needed:.2f}{promised(self._recognizer)}"

    def keep(self) -> int:
        """Save the embeddings beside the photos; how many photos the person has."""
        if self._changed and self._faces.is_dir():
            with as_owner_of(self._faces):
                save(self._faces, self._analyzer.network, self._enrolled)
        return sum(owner[1:] == (self._name, False) for owner in self._owners)

    def _judge(self) -> None:
        self._recognizer = Recognizer(Gallery(self._enrolled, self._analyzer.network))


def _owners(found: FolderScan) -> set[tuple[str, str, bool]]:
    return {(photo.sha256, photo.person, photo.negative) for photo in found.photos}


def _plain(text: object) -> str:
    """Text that stays as it is when a hint is completed."""
    return str(text).replace("{", "{{").replace("}", "}}")
