"""The server side of the RTSP test rig reads its files: compressed pictures with their times, by GStreamer.

Imported by `rtsp_serve.py`, under the system's Python.
"""

from dataclasses import dataclass
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

CODECS = {"video/x-h264": "h264", "video/x-h265": "h265"}


class RigError(Exception):
    """The command or the arguments make no sense."""


@dataclass(frozen=True)
class Unit:
    """One compressed picture; times in nanoseconds from the start of the clip, `due` in sending order."""

    data: bytes
    pts: int
    due: int
    key: bool


@dataclass(frozen=True)
class Clip:
    """All pictures of one file in sending order; `length` in nanoseconds."""

    codec: str
    units: "tuple[Unit, ...]"
    length: int


def read_clip(path: str) -> Clip:
    """Take a file apart into H.264 or H.265 access units (byte stream)."""
    pipeline = Gst.Pipeline.new(None)
    source, parse = Gst.ElementFactory.make("filesrc"), Gst.ElementFactory.make("parsebin")
    sink = Gst.ElementFactory.make("appsink")
    source.set_property("location", path)
    sink.set_property("sync", False)
    for element in (source, parse, sink):
        pipeline.add(element)
    source.link(parse)
    found: list[str] = []

    def link(_parse: Any, pad: Any) -> None:
        codec = CODECS.get(pad.query_caps(None).get_structure(0).get_name())
        if codec is None or found:
            return
        found.append(codec)
        shape = Gst.ElementFactory.make(codec + "parse")
        shape.set_property("config-interval", -1)  # parameter sets before every key picture: late viewers can join
        only = Gst.ElementFactory.make("capsfilter")
        wanted = f"video/x-{codec},stream-format=byte-stream,alignment=au"
        only.set_property("caps", Gst.Caps.from_string(wanted))
        for element in (shape, only):
            pipeline.add(element)
            element.sync_state_with_parent()
        shape.link(only)
        only.link(sink)
        pad.link(shape.get_static_pad("sink"))

    parse.connect("pad-added", link)
    pipeline.set_state(Gst.State.PLAYING)
    bus, raw, rate = pipeline.get_bus(), [], 25.0
    ends = Gst.MessageType.ERROR | Gst.MessageType.EOS
    while True:
        sample = sink.emit("try-pull-sample", 50 * Gst.MSECOND)
        if sample is None:
            if bus.pop_filtered(ends):
                break
            continue
        buffer = sample.get_buffer()
        known, top, bottom = sample.get_caps().get_structure(0).get_fraction("framerate")
        rate = top / bottom if known and top and bottom else rate
        key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        raw.append((buffer.extract_dup(0, buffer.get_size()), buffer.pts, key))
    pipeline.set_state(Gst.State.NULL)
    if not raw:
        raise RigError(f"no H.264 or H.265 pictures in {path}")
    return _timed(found[0], raw, round(Gst.SECOND / rate))


def _timed(codec: str, raw: "list[tuple[bytes, int, bool]]", step: int) -> Clip:
    none = Gst.CLOCK_TIME_NONE
    stamped = all(pts != none for _, pts, _ in raw)  # a bare elementary stream has no times
    first = min(pts for _, pts, _ in raw) if stamped else 0
    show = [pts - first if stamped else index * step for index, (_, pts, _) in enumerate(raw)]
    ordered = sorted(show)  # sent when the picture of this rank is shown: with B pictures decoding order differs
    units = tuple(Unit(data, show[i], ordered[i], key) for i, (data, _, key) in enumerate(raw))
    return Clip(codec, units, ordered[-1] + step)
