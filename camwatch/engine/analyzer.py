"""The engine's one entry point: frames of any cameras in, observations out."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.alignment import chip, crop
from camwatch.engine.quality import quality, sketch
from camwatch.engine.runtime import Device, Precision, RuntimeName
from camwatch.engine.stillness import Stillness, blocks_of
from camwatch.records import Choice, Detection, Face, Frame, Glimpse, Observation, Picture, Worth

MIN_CONFIDENCE = 0.9
"""Detections that O-Net is less sure of, after a second look, are mostly not faces, or of no use."""
MAX_FACES = 32
"""Faces of one frame that are embedded."""


class Detector(Protocol):
    """Finds faces; `mtcnn.FaceDetector` is one.

    Attributes:
        capped: Candidates so far that were left out because a picture had too many.
    """

    capped: int

    def detect(self, pictures: Sequence[Picture], *, min_face: int | Sequence[int]) -> list[list[Detection]]:
        """Faces of each picture; the smallest face is one for all, or one for each picture."""


class Embedder(Protocol):
    """Embeds chips; `facenet.FaceEmbedder` is one."""

    network: str

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        """(n, 512) unit rows for n chips."""


class FaceAnalyzer:
    """Finds and embeds the faces of many frames at once.

    Ten lines that compare the people of two photos:

        >>> import numpy as np
        >>> from camwatch.engine.analyzer import FaceAnalyzer
        >>> from camwatch.engine.photos import read_photo
        >>> from camwatch.records import Frame
        >>> analyzer = FaceAnalyzer(min_face=40)
        >>> pictures = [read_photo(path) for path in photos]
        >>> frames = [Frame("album", i, 0.0, 0.0, None, picture) for i, picture in enumerate(pictures)]
        >>> first, second = analyzer.analyze(frames)
        >>> a, b = first.faces[0].embedding, second.faces[0].embedding
        >>> bool(np.dot(a, b) > 0.5)
        True

    Args:
        min_face: Side in pixels of the smallest face to find, where `analyze` is not told another.
        runtime: What computes the networks; `auto` takes the fastest that is installed and passes its self-test.
        precision: `auto` takes bfloat16 where it is measured to be faster and to give the same embeddings.
        device: `auto` takes a GPU where TensorFlow sees one, `cpu` never, `gpu` insists on one.
        facenet_weights: A frozen graph to use instead of the packaged one, see `facenet.FaceEmbedder`.
        gpu_memory_mib: Limit of GPU memory; None lets it grow as needed.
        threads: CPU threads; None for as many as there are cores.
        cache: Folder for converted networks and for what was measured; None is the user's own, see
            `loading.default_cache`.
        on_stage: Told ("detect", seconds) and ("embed", seconds) as the stages of a call end.
        min_confidence: Detections below it are left out.
        max_faces: Of each frame, only this many largest faces are embedded; the others are reported without.
        detector: Finds faces instead of MTCNN.
        embedder: Embeds faces instead of FaceNet.
        timer: Seconds from any start, to measure the stages with.

    Attributes:
        network: Name of the embedding network and its weights; embeddings of different ones cannot be compared.
        runtime: What computes the networks, empty where both were given.
        precision: In what, empty where both were given.
        faces_not_embedded: Faces so far that `max_faces` kept from being embedded.

    Raises:
        WeightsError: Weights are missing or damaged.
        InputError: A GPU is asked for where there is none.
    """

    def __init__(
        self,
        *,
        min_face: int = 40,
        runtime: RuntimeName | Literal["auto"] = "auto",
        precision: Precision | Literal["auto"] = "auto",
        device: Device = "auto",
        facenet_weights: Path | None = None,
        gpu_memory_mib: int | None = None,
        threads: int | None = None,
        cache: Path | None = None,
        on_stage: Callable[[str, float], None] | None = None,
        min_confidence: float = MIN_CONFIDENCE,
        max_faces: int = MAX_FACES,
        detector: Detector | None = None,
        embedder: Embedder | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Load the networks that were not given; takes some seconds, most of them to import TensorFlow."""
        self.runtime = self.precision = ""
        if detector is None or embedder is None:
            # not at the top: this module is imported for its types where no network must be loaded
            from camwatch.engine.loading import default_cache, load_networks

            loaded = load_networks(
                runtime=runtime,
                precision=precision,
                device=device,
                threads=threads,
                gpu_memory_mib=gpu_memory_mib,
                facenet_weights=facenet_weights,
                cache=cache or default_cache(),
            )
            self.runtime, self.precision = loaded.runtime, loaded.precision
            detector, embedder = detector or loaded.detector, embedder or loaded.embedder
        self.min_face = min_face
        self.network = embedder.network
        self.faces_not_embedded = 0
        self._counting = threading.Lock()
        self._detector, self._embedder = detector, embedder
        self._min_confidence, self._max_faces = min_confidence, max_faces
        self._on_stage, self._timer = on_stage or _ignore, timer
        self._stillness = Stillness()

    @property
    def candidates_capped(self) -> int:
        """Candidates for faces so far that the detector left out because a picture had too many."""
        return self._detector.capped

    def analyze(
        self, frames: Sequence[Frame], *, min_face: Mapping[str, int] | None = None, worth: Worth | None = None
    ) -> list[Observation]:
        """Find the faces of all frames, then embed them, all at once. Still pictures are not searched again.

        Args:
            frames: From any cameras, of any sizes.
            min_face: Smallest face in pixels by camera, where it differs from the analyzer's own.
            worth: Chooses which faces are embedded; all are where None.

        Returns:
            One observation for each frame, in the same order; faces as the detector orders them, in pixels of the
            full picture.
        """
        started = self._timer()
        by_camera = min_face or {}
        found = self._search(frames, [by_camera.get(frame.camera, self.min_face) for frame in frames])
        ended = self._timer()
        if frames:
            self._on_stage("detect", ended - started)
        faces = self._describe(frames, found, worth)
        if any(found):
            self._on_stage("embed", self._timer() - ended)
        return [_observation(frame, seen) for frame, seen in zip(frames, faces, strict=True)]

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        """Faces of pictures that may differ in size, without embeddings.

        Args:
            pictures: (h, w, 3) uint8, RGB.
            min_face: Side in pixels of the smallest face to find.
        """
        return self._find(pictures, [min_face] * len(pictures))

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        """Embed face chips (see `alignment.chip`): (n, 160, 160, 3) uint8 to (n, 512) float32 unit rows."""
        return self._embedder.embed(chips)

    def _search(self, frames: Sequence[Frame], min_faces: Sequence[int]) -> list[list[Detection]]:
        """The faces of each frame, of still pictures those that were found before."""
        blocks = [blocks_of(frame.picture, least) for frame, least in zip(frames, min_faces, strict=True)]
        known = [self._stillness.known(*each) for each in zip(frames, blocks, min_faces, strict=True)]
        moved = [number for number, found in enumerate(known) if found is None]
        searched = self._find([frames[number].picture for number in moved], [min_faces[number] for number in moved])
        for number, found in zip(moved, searched, strict=True):
            known[number] = found
            self._stillness.searched(frames[number], blocks[number], min_faces[number], found)
        return [found or [] for found in known]

    def _find(self, pictures: Sequence[Picture], min_faces: Sequence[int]) -> list[list[Detection]]:
        found = self._detector.detect(pictures, min_face=min_faces)
        return [
            [each for each in detections if self._is_usable(picture, each)]
            for picture, detections in zip(pictures, found, strict=True)
        ]

    def _is_usable(self, picture: Picture, detection: Detection) -> bool:
        return detection.confidence >= self._min_confidence and crop(picture, detection.box).size > 0

    def _describe(self, frames: Sequence[Frame], found: list[list[Detection]], worth: Worth | None) -> list[list[Face]]:
        """Quality of all faces; of each frame's largest ones those chips and embeddings that are wanted."""
        faces: list[list[Face]] = []
        waiting: list[tuple[int, int, Picture]] = []  # frame, face and chip of those to be embedded
        for index, (frame, detections) in enumerate(zip(frames, found, strict=True)):
            picture = frame.picture
            measured = [quality(picture, detection) for detection in detections]
            seen = [Face(*pair, None, None) for pair in zip(detections, measured, strict=True)]
            faces.append(seen)
            by_size = sorted(range(len(seen)), key=lambda i: detections[i].box.height, reverse=True)
            with self._counting:
                self.faces_not_embedded += len(by_size[self._max_faces :])
            largest = by_size[: self._max_faces]
            for number, choice in zip(largest, _choices(frame, [seen[i] for i in largest], worth), strict=True):
                cut = chip(picture, detections[number].box) if choice.embed or choice.show else None
                seen[number] = replace(seen[number], chip=cut, follow=choice.follow, skipped=not choice.embed)
                if choice.embed and cut is not None:
                    waiting.append((index, number, cut))
        if waiting:
            embeddings = self.embed([cut for _, _, cut in waiting])
            for (index, number, _), embedding in zip(waiting, embeddings, strict=True):
                # a copy: one face kept for long must not keep the whole batch alive
                faces[index][number] = replace(faces[index][number], embedding=embedding.copy())
        return faces


def _choices(frame: Frame, faces: Sequence[Face], worth: Worth | None) -> Sequence[Choice]:
    if worth is None:
        return [Choice(None, embed=True)] * len(faces)
    picture = frame.picture
    return worth(frame, [Glimpse(one.detection, one.quality, sketch(picture, one.detection.box)) for one in faces])


def _observation(frame: Frame, faces: Sequence[Face]) -> Observation:
    height, width = frame.picture.shape[:2]
    return Observation(frame.camera, frame.seq, frame.captured_at, frame.monotonic, width, height, tuple(faces))


def _ignore(stage: str, seconds: float) -> None:
    """Nobody asked for stage times."""
