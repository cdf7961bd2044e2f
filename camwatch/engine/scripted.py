"""A stand-in for `FaceAnalyzer` that plays recorded observations: no networks, no TensorFlow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from camwatch.records import Choice, Face, Frame, Glimpse, Observation, Worth

_SKETCH = np.full(64, 1 / 8, np.float32)


class ScriptedAnalyzer:
    """Answers `analyze` from a script.

    Args:
        observations: What is to be seen; at most one for each camera and `seq`.
        network: Name that embeddings in the script go by.

    Attributes:
        network: As given.
        faces_not_embedded: Always 0, as a real analyzer would count.
        candidates_capped: The same.
    """

    def __init__(self, observations: Iterable[Observation], *, network: str = "scripted") -> None:
        """Index the script by camera and `seq`."""
        self._script = {(seen.camera, seen.seq): seen for seen in observations}
        self.network = network
        self.faces_not_embedded = self.candidates_capped = 0

    def analyze(
        self, frames: Sequence[Frame], *, min_face: Mapping[str, int] | None = None, worth: Worth | None = None
    ) -> list[Observation]:
        """The scripted faces of each frame, none where the script has nothing for it.

        Times and picture size are the frame's own, so a script can be played into a running pipeline. Where `worth` is
        given, faces that it does not choose go without embedding; all look the same by their sketch.
        """
        return [self._observe(frame, worth) for frame in frames]

    def _observe(self, frame: Frame, worth: Worth | None) -> Observation:
        height, width = frame.picture.shape[:2]
        scripted = self._script.get((frame.camera, frame.seq))
        faces = () if scripted is None else scripted.faces
        if worth is not None:
            choices = worth(frame, [Glimpse(face.detection, face.quality, _SKETCH) for face in faces])
            faces = tuple(_chosen(face, choice) for face, choice in zip(faces, choices, strict=True))
        return Observation(frame.camera, frame.seq, frame.captured_at, frame.monotonic, width, height, faces)


def _chosen(face: Face, choice: Choice) -> Face:
    return replace(
        face,
        chip=face.chip if choice.embed or choice.show else None,
        embedding=face.embedding if choice.embed else None,
        follow=choice.follow,
        skipped=not choice.embed,
    )
