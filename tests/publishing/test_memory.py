"""Sinks without a broker."""

import io
import json

from camwatch.publishing.memory import JsonlSink, MemorySink
from tests.publishing.events import event


def test_events_are_kept_in_order() -> None:
    sink = MemorySink()
    events = [event(1), event(2)]
    for each in events:
        sink.publish(each)
    assert sink.events == events


class Pipe(io.StringIO):
    """Counts flushes."""

    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


def test_one_flushed_line_for_each_event() -> None:
    pipe = Pipe()
    sink = JsonlSink(pipe, node="nvr1")
    sink.publish(event(1, person="Zoë\nnew line"))
    assert pipe.flushes == 1
    sink.publish(event(2))
    lines = pipe.getvalue().splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == ["front_door-0001-1", "front_door-0002-1"]
    assert json.loads(lines[0])["person"] == "Zoë\nnew line"
    assert "Zoë" in lines[0]
