"""`camwatch watch`: one video, stream or webcam through the daemon's own path, in one process."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import TextIO
from urllib.parse import urlsplit

from camwatch.capture.address import kind, mask
from camwatch.capture.source import Source, Trust, open_source
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import enroll_photo
from camwatch.errors import InputError, SourceError, SourceRefused
from camwatch.identification.faces import scan
from camwatch.identification.gallery import Gallery
from camwatch.identification.loader import load_folder
from camwatch.identification.recognizer import Recognizer
from camwatch.names import slug
from camwatch.publishing.memory import JsonlSink
from camwatch.records import Enrolled
from camwatch.tools.annotation import Painter
from camwatch.tools.feed import LiveFeed, Taken, recorded, stopped_by_signals
from camwatch.tools.progress import Steps
from camwatch.tools.video import Mp4Writer
from camwatch.tools.watcher import Watcher
from camwatch.tools.window import Window

NODE = "watch"
"""The node in ids and events: a fixed word, so that lines do not depend on the machine."""


def watch(
    source: str,
    faces: Path,
    *,
    annotate: Path | None,
    show: bool,
    fps: float,
    min_face: int,
    threshold: float | None,
    false_alarm_rate: float,
    out: TextIO,
    analyzer: FaceAnalyzer | None = None,
    notes: TextIO | None = None,
    trust: Trust | None = None,
) -> int:
    """Recognize the people in a video; one JSON line for each event, as on MQTT.

    A recording is read as fast as it is analysed, every frame that is due by its times is analysed, times in events
    count from 1970-01-01T00:00:00Z as from the start of the recording, and two runs print the same lines. A live
    stream is watched until Ctrl-C, SIGTERM or its end.

    Args:
        source: A video file, an address, or a webcam's number.
        faces: The gallery, one folder of photos per person; embeddings are cached in it.
        annotate: An MP4 to write, of all frames, with boxes and names.
        show: Open a window with the same.
        fps: Frames to analyse in a second.
        min_face: Height in pixels from which on faces count; smaller ones are not looked for.
        threshold: A cosine in place of the calibrated threshold.
        false_alarm_rate: The share of strangers' visits that may be given a name.
        out: Where the events go.
        analyzer: Finds and embeds; loaded here by default.
        notes: Where everything else goes; stderr by default.
        trust: Which certificates of `rtsps` and `https` are believed; by default those that the system trusts.

    Returns:
        The exit status.

    Raises:
        InputError: The source is refused, the faces cannot be used, a window or the video cannot be opened.
        SourceError: The source broke off; events and video up to there are complete.
    """
    notes = notes or sys.stderr
    feed = _opened(source, trust)
    scan(faces)  # a wrong folder is told before anything slow begins
    if annotate is not None and not feed.live and annotate.resolve() == Path(source).resolve():
        raise InputError(f"--annotate {annotate}: is the video itself")
    with ExitStack() as stack:
        stack.enter_context(closing(feed))
        stop = stack.enter_context(stopped_by_signals()) if feed.live else None
        window = stack.enter_context(Window(f"camwatch {camera_name(source)}", paced=not feed.live)) if show else None
        outputs = [window.show] if window else []
        if annotate is not None:
            outputs.append(stack.enter_context(Mp4Writer(annotate)).write)
        analyzer = analyzer or FaceAnalyzer(min_face=min_face)
        recognizer = Recognizer(
            _gallery(faces, analyzer, notes), false_alarm_rate=false_alarm_rate, threshold=threshold
        )
        sink, painter = JsonlSink(out, node=NODE), Painter(outputs)
        watcher = Watcher(camera_name(source), analyzer, recognizer, sink, painter, node=NODE, min_face=min_face)
        steps = stack.enter_context(Steps("watching", stream=notes, shown=not out.isatty()))
        error: SourceError | None = None
        try:
            for batch in _batches(feed, fps, whole=not painter.idle, stop=stop, notes=notes):
                watcher.take(batch)
                steps.advance(text=watcher.progress())
                if window is not None and window.closed:
                    break
        except SourceError as raised:
            error = raised
        watcher.end()
    if watcher.began:
        print(f"{mask(source)}: {watcher.summary()}", file=notes)
    if isinstance(error, SourceRefused):
        raise InputError(str(error))
    if error is not None:
        raise error
    return 0


def camera_name(source: str) -> str:
    """The name that events call the camera by: a slug of the file's name, or of the last part of the address."""
    match kind(source):
        case "webcam":
            return slug(f"webcam {source.removeprefix('/dev/video')}")
        case "file":
            return slug(Path(source).stem)
        case "network":
            address = urlsplit(mask(source))
            return slug(Path(address.path).stem or address.hostname or "camera")


def _opened(source: str, trust: Trust | None) -> Source:
    """The source; of a recording, it is known that there is a picture in it."""
    try:
        feed = open_source(source, start_at=0.0, trust=trust)
        if not feed.live:
            with closing(open_source(source, start_at=0.0)) as trial:
                next(iter(trial.frames()), None)
    except SourceRefused as refused:
        raise InputError(str(refused)) from refused
    return feed


def _gallery(faces: Path, analyzer: FaceAnalyzer, notes: TextIO) -> Gallery:
    def enroll(person: str, path: Path) -> Enrolled:
        return enroll_photo(analyzer, person, path, strict=False)

    loaded = load_folder(faces, analyzer.network, enroll)
    for problem in loaded.problems:
        print(f"left out {problem}", file=notes)
    return loaded.gallery


def _batches(feed: Source, fps: float, *, whole: bool, stop: Event | None, notes: TextIO) -> Iterator[Sequence[Taken]]:
    if stop is None:
        yield from recorded(feed, fps, whole=whole)
        return
    live = LiveFeed(feed, fps, whole=whole)
    try:
        yield from live.batches(stop.is_set)
    finally:
        live.close()
        if live.dropped:
            print(f"{live.dropped} frames were dropped, this machine is too slow for --fps {fps:g}", file=notes)
