"""From the frames of a source to the ones worth analysing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from camwatch.capture.decode import RawFrame
from camwatch.capture.motion import SIZE, MotionGate
from camwatch.capture.sampling import FrameSampler, StreamTime
from camwatch.capture.source import Source

Outcome = Literal["analyze", "idle", "decode_error"]


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """A frame that was due, and what to do with it.

    `outcome` is `analyze`; or `idle`, where nothing moves; or `decode_error`, where the picture is damaged or missing.
    """

    raw: RawFrame
    outcome: Outcome


def select(source: Source, sampler: FrameSampler, gate: MotionGate) -> Iterator[Selected]:
    """Yield every frame of the source that is due, with its outcome; the others cost their decoding and no more.

    Sampled by the stream's own times as far as they can be believed (`StreamTime`). For a recording pass a disabled
    gate, so that every frame that is due is analysed. A damaged frame uses up its place on the sampling grid.

    Args:
        source: Its `frames()` is called once.
        sampler: A new one for each camera; may be kept over a reconnection.
        gate: As the sampler.

    Raises:
        SourceError: From the source.
    """
    time = StreamTime(live=source.live)
    for raw in source.frames():
        t = time.at(raw.pts, raw.monotonic)
        if not sampler.due(t):
            continue
        outcome: Outcome = "analyze"
        if raw.corrupt:
            outcome = "decode_error"
        elif gate.enabled and not gate.open(raw.luma(*SIZE), t):
            outcome = "idle"
        yield Selected(raw, outcome)
