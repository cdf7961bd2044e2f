"""Network cameras against a real RTSP server, with everything that can go wrong."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Literal

import numpy as np
import pytest

from camwatch.capture import thrift
from camwatch.capture.decode import RawFrame
from camwatch.capture.motion import MotionGate
from camwatch.capture.rtsp import Transport
from camwatch.capture.sampling import FrameSampler
from camwatch.capture.selection import select
from camwatch.capture.source import open_source
from camwatch.errors import SourceError, SourceLost, SourceRefused, SourceUnavailable
from tests.rigs import clips
from tests.rigs.rtsp_server import RTSP_MISSING, RtspServer

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(RTSP_MISSING is not None, reason=str(RTSP_MISSING)),
]

TIMEOUT = 0.8
ENOUGH = 20.0
"""Seconds after which a busy machine has had its time."""


@pytest.fixture
def server(clip: Path) -> Iterator[RtspServer]:
    with RtspServer({"/front": clip}) as running:
        yield running


def watch(
    address: str,
    *,
    then: Callable[[], object] = lambda: None,
    after: int = 5,
    stop: int | None = None,
    transport: Transport = "tcp",
    timeout: float = TIMEOUT,
) -> tuple[list[RawFrame], SourceError | None, float]:
    """Read, and call `then` once `after` frames have come: the frames, the error, the seconds from `then` to it."""
    source = open_source(address, transport=transport, timeout=timeout)
    frames: list[RawFrame] = []
    started = time.monotonic()
    try:
        for frame in source.frames():
            frames.append(frame)
            if len(frames) == after:
                then()
                started = time.monotonic()
            if stop is not None and len(frames) >= stop:
                source.close()
    except SourceError as error:
        assert error.__context__ is None
        return frames, error, time.monotonic() - started
    return frames, None, time.monotonic() - started


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_come_whole_and_in_time(tmp_path: Path, transport: Transport, codec: str) -> None:
    path = clips.moving_square(tmp_path / "a.mkv", seconds=1, codec=codec)
    with RtspServer({"/front": path}) as server:
        wall, monotonic = time.time(), time.monotonic()
        frames, error, _ = watch(server.url("/front"), stop=40, transport=transport, timeout=ENOUGH)
    assert error is None
    assert len(frames) == 40
    assert not any(frame.corrupt for frame in frames)
    assert frames[0].rgb().shape == (240, 320, 3)
    expected = itertools.cycle(clips.square_pictures((320, 240), 25))
    for frame, picture in zip(frames, expected, strict=False):  # also over the seam of the loop
        assert np.abs(frame.rgb().astype(int) - picture).mean() < 6
    told = [frame.pts for frame in frames if frame.pts is not None]
    assert len(told) >= 39
    assert [b - a for a, b in itertools.pairwise(told)] == pytest.approx([0.04] * (len(told) - 1), abs=0.002)
    assert all(a.monotonic <= b.monotonic for a, b in itertools.pairwise(frames))
    assert frames[0].monotonic >= monotonic
    for frame in frames:
        assert frame.captured_at - wall == pytest.approx(frame.monotonic - monotonic, abs=0.2)


def test_five_a_second_are_chosen_from_twenty_five(server: RtspServer) -> None:
    source = open_source(server.url("/front"), timeout=ENOUGH)
    chosen = list(itertools.islice(select(source, FrameSampler(5), MotionGate(enabled=False)), 16))
    source.close()
    told = [one.raw.pts for one in chosen[5:] if one.raw.pts is not None]  # the connection has settled
    assert told[-1] - told[0] == pytest.approx(2.0, abs=0.25)
    assert len(told) == 11


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("how", ["stall", "suspend"])
def test_a_camera_that_falls_silent_is_lost_after_the_timeout(
    server: RtspServer, transport: Transport, how: str
) -> None:
    silence = server.suspend if how == "suspend" else lambda: server.command("stall", "/front")
    frames, error, seconds = watch(server.url("/front"), then=silence, transport=transport)
    assert isinstance(error, SourceLost)
    assert error.reason == "timeout"
    assert len(frames) >= 5
    assert TIMEOUT * 0.9 <= seconds < ENOUGH
    assert "0.8 s" in str(error)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("how", ["stall", "suspend"])
def test_a_camera_that_is_silent_from_the_start_is_unavailable(
    server: RtspServer, transport: Transport, how: str
) -> None:
    _ = server.suspend() if how == "suspend" else server.command("stall", "/front")
    frames, error, seconds = watch(server.url("/front"), transport=transport)
    assert not frames
    assert isinstance(error, SourceUnavailable)
    assert error.reason == "timeout"
    assert TIMEOUT * 0.9 <= seconds < ENOUGH


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("how", ["kick", "down", "kill"])
def test_a_connection_that_breaks_is_lost_at_once(server: RtspServer, transport: Transport, how: str) -> None:
    breaking = server.kill if how == "kill" else lambda: server.command(how, "/front")
    frames, error, _ = watch(server.url("/front"), then=breaking, transport=transport, timeout=ENOUGH * 3)
    assert len(frames) >= 5
    assert isinstance(error, SourceLost)
    assert error.reason in ("ended", "network")
    again = watch(server.url("/front"), stop=3, timeout=ENOUGH)[1]
    match how:
        case "kick":
            assert again is None
        case "down":
            assert isinstance(again, SourceRefused)
            assert again.reason == "not_found"
            server.command("up", "/front")
            assert watch(server.url("/front"), stop=3, timeout=ENOUGH)[1] is None
        case "kill":
            assert isinstance(again, SourceUnavailable)
            assert again.reason == "refused"


def test_the_end_of_what_a_camera_sends_is_a_loss_too(clip: Path) -> None:
    with RtspServer({"/once": clip}, once=["/once"]) as server:
        frames, error, _ = watch(server.url("/once"), timeout=ENOUGH)
    assert len(frames) == 50
    assert isinstance(error, SourceLost)
    assert error.reason == "ended"


def test_an_unknown_path_is_refused(server: RtspServer) -> None:
    _, error, _ = watch(server.url("/elsewhere"), timeout=ENOUGH)
    assert isinstance(error, SourceRefused)
    assert error.reason == "not_found"


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_passwords(clip: Path, auth: Literal["basic", "digest"]) -> None:
    with RtspServer({"/front": clip}, auth=auth, user="cam:s3c@ret") as server:
        assert watch(server.url("/front", user="cam:s3c%40ret"), stop=3, timeout=ENOUGH)[1] is None
        for user in ("cam:wr0ng", "else:s3c%40ret", ""):
            _, error, _ = watch(server.url("/front", user=user), timeout=ENOUGH)
            assert isinstance(error, SourceRefused)
            assert error.reason == "unauthorized"
            for secret in ("wr0ng", "s3c", "cam:"):
                assert secret not in str(error)
            assert "/front" in str(error)


def test_a_change_of_resolution_changes_the_frames(server: RtspServer, wide_clip: Path) -> None:
    frames, error, _ = watch(
        server.url("/front"), then=lambda: server.command("switch", "/front", file=wide_clip), stop=40, timeout=ENOUGH
    )
    assert error is None
    sizes = [(frame.width, frame.height) for frame in frames]
    assert sizes[:5] == [(320, 240)] * 5
    assert sizes[-1] == (640, 360)
    assert frames[-1].rgb().shape == (360, 640, 3)
    assert frames[-1].luma(160, 90).shape == (90, 160)


def test_damaged_pictures_are_flagged_and_good_ones_follow(server: RtspServer) -> None:
    frames, error, _ = watch(
        server.url("/front"), then=lambda: server.command("corrupt", "/front", p=1), stop=40, timeout=ENOUGH
    )
    assert error is None
    assert not any(frame.corrupt for frame in frames[:5])
    assert sum(frame.corrupt for frame in frames) > 20
    pictures = [picture[120:180] for picture in clips.square_pictures((320, 240), 50)]  # where the square moves

    def is_whole(frame: RawFrame) -> bool:
        return min(np.abs(frame.rgb()[120:180].astype(int) - picture).mean() for picture in pictures) < 6

    assert all(is_whole(frame) for frame in frames if not frame.corrupt)
    server.command("resume", "/front")
    frames, error, _ = watch(server.url("/front"), stop=40, timeout=ENOUGH)
    assert error is None
    assert not any(frame.corrupt for frame in frames[-10:])
    assert all(is_whole(frame) for frame in frames if not frame.corrupt)


def test_lost_pictures_show_as_gaps_in_time(server: RtspServer) -> None:
    frames, error, _ = watch(
        server.url("/front"), then=lambda: server.command("drop", "/front", p=0.4), stop=40, timeout=ENOUGH
    )
    assert error is None
    told = [frame.pts for frame in frames if frame.pts is not None]
    assert all(b > a for a, b in itertools.pairwise(told))
    assert told[-1] - told[5] > 1.2 * 0.04 * (len(told) - 6)


def test_a_frozen_picture_goes_on_in_time(server: RtspServer) -> None:
    frames, error, _ = watch(
        server.url("/front"), then=lambda: server.command("freeze", "/front"), stop=30, timeout=ENOUGH
    )
    assert error is None
    pictures = [frame.rgb() for frame in frames[-10:]]
    assert all(np.abs(picture.astype(int) - pictures[0]).max() <= 2 for picture in pictures)
    assert frames[-1].pts is not None
    assert frames[-10].pts is not None
    assert frames[-1].pts - frames[-10].pts == pytest.approx(9 / 25, abs=0.01)


def test_a_pause_shows_in_the_times(server: RtspServer) -> None:
    def pause() -> None:
        server.command("stall", "/front")
        time.sleep(0.5)
        server.command("resume", "/front")

    frames, error, _ = watch(server.url("/front"), then=pause, stop=20, timeout=ENOUGH)
    assert error is None
    told = [frame.pts for frame in frames if frame.pts is not None]
    assert 0.4 < max(b - a for a, b in itertools.pairwise(told)) < 0.5 + ENOUGH


def test_close_from_another_thread(server: RtspServer) -> None:
    """While pictures come it ends at once; while none come, within the timeout."""
    for silent in (False, True):
        source = open_source(server.url("/front"), timeout=TIMEOUT if silent else ENOUGH * 3)
        outcome: list[object] = []
        started = Event()

        def read(silent: bool = silent, source=source, outcome=outcome, started=started) -> None:  # type: ignore[no-untyped-def]
            try:
                for count, _ in enumerate(source.frames()):
                    if count == 3:
                        if silent:
                            server.command("stall", "/front")
                        started.set()
                outcome.append("ended")
            except SourceError as error:
                outcome.append(error)

        reader = Thread(target=read)
        reader.start()
        assert started.wait(ENOUGH)
        source.close()
        reader.join(ENOUGH)
        assert outcome == ["ended"]


def test_several_viewers_and_mounts_do_not_disturb_each_other(clip: Path, wide_clip: Path) -> None:
    with RtspServer({"/a": clip, "/b": wide_clip}) as server, contextlib.ExitStack() as stack:
        sources = [open_source(server.url(mount), timeout=ENOUGH) for mount in ("/a", "/b", "/b")]
        streams = [source.frames() for source in sources]
        for source in sources:
            stack.callback(source.close)
        assert [next(stream).width for stream in streams] == [320, 640, 640]
        assert server.command("stats", "/b")["clients"] == 2
        assert server.command("kick", "/a")["kicked"] == 1
        with pytest.raises(SourceLost):
            list(streams[0])
        assert next(streams[1]).width == 640
        assert next(streams[2]).width == 640


def test_commands_that_make_no_sense_are_told(server: RtspServer, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="dance"):
        server.command("dance", "/front")
    with pytest.raises(RuntimeError, match=r"no H\.264 or H\.265"):
        server.command("switch", "/front", file=tmp_path / "none.mp4")
    with pytest.raises(RuntimeError, match=r"none\.mp4"):
        RtspServer({"/front": tmp_path / "none.mp4"})


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_without_dependants_are_left_out_where_few_are_wanted(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thrift, "WINDOW", 0.6)
    path = clips.moving_square(tmp_path / "b.mkv", seconds=2, codec=codec, bframes=1)
    with RtspServer({"/front": path}) as server:
        source = open_source(server.url("/front"), timeout=ENOUGH, wanted_fps=2)
        frames = list(itertools.islice(source.frames(), 50))
        source.close()
    told = [frame.pts for frame in frames if frame.pts is not None]
    steps = [b - a for a, b in itertools.pairwise(told)]
    assert np.median(steps[:8]) == pytest.approx(0.04, abs=0.002)
    assert np.median(steps[-20:]) == pytest.approx(0.08, abs=0.002)
    pictures = list(clips.square_pictures((320, 240), 50))
    for frame in frames:
        assert not frame.corrupt
        rgb = frame.rgb()[120:180].astype(int)
        assert min(np.abs(rgb - picture[120:180]).mean() for picture in pictures) < 6


def test_no_picture_is_left_out_of_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thrift, "WINDOW", 0.0)
    path = clips.moving_square(tmp_path / "b.mkv", seconds=2, bframes=2)
    assert len(list(open_source(str(path), wanted_fps=1).frames())) == 50
