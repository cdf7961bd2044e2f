"""A stand-in for `FaceAnalyzer` that plays recorded observations: no networks, no TensorFlow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from camwatch.records import Frame, Observation


class ScriptedAnalyzer:
    """Answers `analyze` from a script.

    Args:
        observations: What is to be seen; at most one for each camera and `seq`.
        network: Name that embeddings in the script go by.

    Attributes:
        network: As given.
        faces_not_embedded: Always 0, as a real analyzer would count.
    """

    def __init__(self, observations: Iterable[Observation], *, network: str = "scripted") -> None:
        """Index the script by camera and `seq`."""
        self._script = {(seen.camera, seen.seq): seen for seen in observations}
        self.network = network
        self.faces_not_embedded = 0

    def analyze(self, frames: Sequence[Frame], *, min_face: Mapping[str, int] | None = None) -> list[Observation]:
        """The scripted faces of each frame, none where the script has nothing for it.

        Times and picture size are the frame's own, so a script can be played into a running pipeline.
        """
        return [self._observe(frame) for frame in frames]

    def _observe(self, frame: Frame) -> Observation:
        height, width = frame.picture.shape[:2]
        blank = Observation(frame.camera, frame.seq, frame.captured_at, frame.monotonic, width, height, ())
        scripted = self._script.get((frame.camera, frame.seq))
        return blank if scripted is None else replace(blank, faces=scripted.faces)
