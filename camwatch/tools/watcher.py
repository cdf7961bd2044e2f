"""The data path in one process: frames of one camera in, events and drawn pictures out."""

from collections import Counter
from collections.abc import Sequence

from camwatch.identification.attention import Attention
from camwatch.identification.evidence import Gates
from camwatch.identification.recognizer import Recognizer
from camwatch.pipeline import Analyzer, CameraRules, Decider, observe
from camwatch.publishing.memory import JsonlSink, MemorySink
from camwatch.records import Event, EventType, Frame
from camwatch.tools.annotation import Painter
from camwatch.tools.feed import Taken


class Watcher:
    """Analyses frames and decides on them, for one camera.

    Args:
        camera: Its name, as in events.
        analyzer: Finds and embeds faces.
        recognizer: Who is enrolled.
        sink: Where events go.
        painter: Where all frames go, with their faces marked.
        node: Part of the ids of visits and events.
        min_face: Height in pixels from which on faces count.
    """

    def __init__(
        self,
        camera: str,
        analyzer: Analyzer,
        recognizer: Recognizer,
        sink: JsonlSink | MemorySink,
        painter: Painter,
        *,
        node: str,
        min_face: int,
    ) -> None:
        """Before the first frame."""
        self._camera, self._min_face = camera, min_face
        self._analyzer, self._sink, self._painter = analyzer, sink, painter
        self._decider = Decider({camera: CameraRules(min_face=float(min_face))}, node=node, recognizer=recognizer)
        self._attention = Attention({camera: Gates(min_height=float(min_face))})
        self._first: float | None = None
        self._last = 0.0
        self._analyzed = self._damaged = self._faces = 0
        self._ended: Counter[str] = Counter()

    def take(self, batch: Sequence[Taken]) -> None:
        """Take in frames in the order of capture."""
        due = [taken for taken in batch if taken.due and not taken.raw.corrupt]
        frames = [
            Frame(
                self._camera,
                taken.seq,
                taken.raw.captured_at,
                taken.raw.monotonic,
                taken.raw.pts,
                taken.raw.rgb(),
            )
            for taken in due
        ]
        observations = observe(
            self._analyzer, frames, min_face={self._camera: self._min_face}, attention=self._attention
        )
        by_seq = {observation.seq: observation for observation in observations}
        for taken in batch:
            self._first = taken.raw.captured_at if self._first is None else self._first
            self._last = max(self._last, taken.raw.captured_at)
            observation = by_seq.get(taken.seq)
            if observation is None:
                self._damaged += taken.due
                self._painter.frame(taken.raw)
                continue
            self._publish(self._decider.decide(observation))
            self._analyzed += 1
            self._faces += len(observation.faces)
            self._painter.analyzed(taken.raw, self._decider.faces(self._camera))
        self._attention.settle(self._camera, self._decider.settled(self._camera))

    def end(self) -> None:
        """No frame will come any more: end the visits that are open."""
        self._publish(self._decider.flush(self._camera, self._last))
        self._painter.finish()

    @property
    def began(self) -> bool:
        """Whether a frame has come."""
        return self._first is not None

    def progress(self) -> str:
        """How far it is, for a line that changes."""
        return f"{self._last - (self._first or 0.0):.1f} s, {self._analyzed} frames, {self._faces} faces"

    def summary(self) -> str:
        """What was seen in all."""
        damaged = f", {self._damaged} damaged frames left out" if self._damaged else ""
        visits = ", ".join(f"{who} x{count}" if count > 1 else who for who, count in sorted(self._ended.items()))
        return f"{self.progress()}{damaged}; visits: {visits or 'none'}"

    def _publish(self, events: Sequence[Event]) -> None:
        for event in events:
            self._sink.publish(event)
            if event.event_type is EventType.ENDED:
                self._ended[event.person or ("unknown" if event.reason is None else f"undecided ({event.reason})")] += 1
