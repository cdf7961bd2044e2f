"""The folder of photos, watched: what changed is embedded by the inference process, then swapped in whole.

Recognition goes on with the present gallery until the next one is complete. Polling works on every file system,
network shares too, and costs one `stat` a photo.
"""

import logging
from collections.abc import Set
from pathlib import Path
from typing import Any

from camwatch.errors import PhotoError
from camwatch.identification.cache import CachedPhoto, read_cache
from camwatch.identification.faces import FolderScan, PhotoFile, scan, signature
from camwatch.identification.loader import assembled, save, split
from camwatch.identification.recognizer import Recognizer
from camwatch.service.messages import Message, enrolled_from

log = logging.getLogger(__name__)

POLL = 2.0
SAVE_EVERY = 50
"""Photos embedded after which the cache is written, so that a stop in the middle of a first load loses little."""
_WAIT = 0.5  # seconds for others who write there; the main loop waits with it
ATTEMPTS = 3
"""Deaths of inference at a photo after which it is left out. Only at the first may other work have been beside it."""


class GalleryLoader:
    """Keeps a recognizer in step with a folder. One thread uses it; time is an argument.

    Args:
        faces: The folder of folders of photos.
        false_alarm_rate: See `Recognizer`.
        threshold: See `Recognizer`.
        ignored: The same.

    Attributes:
        network: Id of the network that embeds, None until inference is ready.

    Raises:
        PhotoError: There is no such folder.
    """

    def __init__(
        self, faces: Path, *, false_alarm_rate: float, threshold: float | None, ignored: Set[str] = frozenset()
    ) -> None:
        """Look at the folder once, so that a wrong path is said at the start."""
        self._found: FolderScan = scan(faces, allow_empty=True)
        self._device = _device(faces)
        if not self._found.people:
            log.warning("%s: nobody is enrolled yet, so everybody is unknown; see: camwatch enroll --help", faces)
        self._faces = faces
        self._rate, self._threshold, self._ignored = false_alarm_rate, threshold, ignored
        self.network: str | None = None
        self._known: dict[str, CachedPhoto] = {}
        self._waiting: dict[str, PhotoFile] = {}
        self._refused: set[tuple[str, Path, int]] = set()
        self._deaths: dict[str, int] = {}
        self._signature = ""
        self._loading = False
        self._at: str | None = None
        self._fresh = 0
        self._next_poll = 0.0
        self._complaint = ""

    def change(
        self, faces: Path, *, false_alarm_rate: float, threshold: float | None, ignored: Set[str] = frozenset()
    ) -> None:
        """Keep in step with another folder, or make recognizers with another threshold; see the arguments above.

        The present gallery serves until the next one is complete, which `poll` begins.

        Raises:
            PhotoError: There is no such folder; nothing has changed then.
        """
        self._found = scan(faces, allow_empty=True)
        self._faces, self._device = faces, _device(faces)
        self._rate, self._threshold, self._ignored = false_alarm_rate, threshold, ignored
        self._signature = self._complaint = ""
        self._waiting.clear()
        self._loading = False
        self._next_poll = 0.0
        if self.network is not None:
            self._known = read_cache(faces, self.network) | self._known

    def restarted(self) -> None:
        """Inference was started anew on purpose: no photo is to blame, what waits is asked for again by `begin`."""
        self._at = None

    def begin(self, network: str) -> list[dict[str, Any]]:
        """Inference is ready, for the first time or again; what it is to embed.

        Args:
            network: Id of its network.
        """
        if network != self.network:
            self.network = network
            self._refused.clear()
            self._deaths.clear()
            self._known = read_cache(self._faces, network)
            self._signature = ""
        if self._loading:
            return self._jobs()
        return self._rescan()

    def poll(self, now: float) -> list[dict[str, Any]]:
        """Look whether the folder changed, every few seconds; what is to be embedded then."""
        if now < self._next_poll or self._loading:
            return []
        self._next_poll = now + POLL
        return self._rescan()

    def take(self, message: Message) -> None:
        """What inference says of a photo: `embedding` (it begins), then `enrolled` or `refused`."""
        digest = str(message.fields["asked"])
        if message.kind == "embedding":
            self._at = digest
            return
        self._at = None
        self._deaths.pop(digest, None)
        photo = self._waiting.pop(digest, None)
        if message.kind == "refused":
            log.warning("photo left out: %s", message.fields["error"])
            if photo is not None:
                self._refused.add(_state(photo))
            return
        new = enrolled_from(message)
        self._known[new.sha256] = CachedPhoto(new.sha256, new.embeddings, new.quality)
        self._fresh += 1
        if self._fresh >= SAVE_EVERY and self.network is not None:
            self._fresh = 0
            save(self._faces, self.network, split(self._found, self._known)[0], timeout=_WAIT)

    def interrupted(self) -> None:
        """Inference died, perhaps of the photo it was at: that one comes last now, and alone."""
        digest, self._at = self._at, None
        photo = self._waiting.get(digest or "")
        if digest is None or photo is None:
            return
        self._deaths[digest] = self._deaths.get(digest, 0) + 1
        if self._deaths[digest] >= ATTEMPTS:
            log.error("photo left out: %s: inference died over it %d times", photo.path, self._deaths[digest])
            self._refused.add(_state(photo))
            del self._waiting[digest], self._deaths[digest]

    def finished(self) -> Recognizer | None:
        """The recognizer for a gallery that has just become complete; None where nothing changed."""
        if not self._loading or self._waiting or self.network is None:
            return None
        self._loading = False
        enrolled, left_out = split(self._found, self._known)
        self._known = {one.sha256: self._known[one.sha256] for one in enrolled}
        save(self._faces, self.network, enrolled, timeout=_WAIT)
        without = {photo.person for photo in left_out} - {one.person for one in enrolled if not one.negative}
        if without:
            log.warning("no usable photo of: %s", ", ".join(sorted(without)))
        gallery = assembled(enrolled, self.network)
        nobody = self._ignored - set(gallery.people)
        if nobody:
            log.warning("recognition.ignore: nobody enrolled is called %s", " or ".join(sorted(nobody)))
        return Recognizer(gallery, false_alarm_rate=self._rate, threshold=self._threshold, ignored=self._ignored)

    def _rescan(self) -> list[dict[str, Any]]:
        mark = signature(self._faces)
        if mark == self._signature:
            return []
        try:
            found = scan(self._faces, allow_empty=True)
        except PhotoError as error:
            self._complain(f"{error}; the present gallery stays")
            return []
        device = _device(self._faces)
        if not found.photos and self._found.photos and device != self._device:
            # An empty folder is left where a share was mounted; nobody has been forgotten.
            self._complain(f"{self._faces}: no photos, and another file system: not mounted? The present gallery stays")
            return []
        self._device = device
        self._complain("; ".join(found.problems))
        self._signature = found.signature
        self._found = found
        self._loading = True
        if self.network is not None:  # `enroll` may have embedded what is new
            self._known = read_cache(self._faces, self.network, again=True) | self._known
        _, fresh = split(found, self._known)
        self._waiting = {photo.sha256: photo for photo in fresh if _state(photo) not in self._refused}
        return self._jobs()

    def _jobs(self) -> list[dict[str, Any]]:
        jobs = [
            {
                "person": photo.person,
                "path": str(photo.path),
                "asked": photo.sha256,
                "alone": photo.sha256 in self._deaths,
            }
            for photo in self._waiting.values()
        ]
        return sorted(jobs, key=lambda job: bool(job["alone"]))

    def _complain(self, text: str) -> None:
        if text and text != self._complaint:
            log.warning("gallery: %s", text)
        self._complaint = text


def _device(folder: Path) -> int | None:
    """The file system that a folder is on, see stat(2)."""
    try:
        return folder.stat().st_dev
    except OSError:
        return None


def _state(photo: PhotoFile) -> tuple[str, Path, int]:
    """What a refused photo is remembered by: moved, touched or changed, it is tried again."""
    try:
        changed = photo.path.stat().st_mtime_ns
    except OSError:
        changed = 0
    return photo.sha256, photo.path, changed
