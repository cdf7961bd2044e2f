import itertools
import os
import socket
import time
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.capture.decode import RawFrame
from camwatch.capture.file import LONGEST_GAP, FileSource, RisingTimes
from camwatch.errors import SourceLost, SourceRefused
from tests.rigs import clips


def times(source: FileSource, count: int | None = None) -> list[float]:
    with_pts = [frame.pts for frame in itertools.islice(source.frames(), count)]
    assert None not in with_pts
    return [pts for pts in with_pts if pts is not None]


def facts(frame: RawFrame) -> tuple[float | None, float, bytes]:
    return frame.pts, frame.captured_at, frame.rgb().tobytes()


def test_all_frames_come_with_video_times_and_the_same_each_time(clip: Path) -> None:
    first = [facts(frame) for frame in FileSource(str(clip), start_at=1000.0).frames()]
    assert len(first) == 50
    assert [pts for pts, _, _ in first] == pytest.approx([i / 25 for i in range(50)])
    assert [at for _, at, _ in first] == pytest.approx([1000 + i / 25 for i in range(50)])
    assert [facts(frame) for frame in FileSource(str(clip), start_at=1000.0).frames()] == first


@pytest.mark.parametrize(
    ("suffix", "bframes"), [(".mkv", 0), (".mkv", 2), (".ts", 0), (".ts", 2), (".avi", 0), (".h264", 0), (".h264", 2)]
)
def test_containers_with_late_first_missing_or_reordered_times_all_give_the_same(
    tmp_path: Path, suffix: str, bframes: int
) -> None:
    path = clips.moving_square(tmp_path / f"a{suffix}", fps=10, bframes=bframes)
    source = FileSource(str(path), start_at=0.0)
    got = times(source)
    assert len(got) == 20
    step = 1 / 25 if suffix == ".h264" else 1 / 10  # the bare stream tells no rate
    assert got == pytest.approx([i * step for i in range(20)], abs=0.002)


def test_a_loop_goes_on_with_rising_times(clip: Path) -> None:
    source = FileSource(str(clip), loop=True, start_at=5.0)
    frames = list(itertools.islice(source.frames(), 130))
    assert [frame.pts for frame in frames] == pytest.approx([i / 25 for i in range(130)])
    assert frames[-1].captured_at == pytest.approx(5 + 129 / 25)
    assert np.array_equal(frames[3].rgb(), frames[103].rgb())
    source.close()


def test_in_real_time_frames_wait_until_they_are_due(clip: Path) -> None:
    before = time.monotonic()
    source = FileSource(str(clip), realtime=True, start_at=0.0)
    for frame in itertools.islice(source.frames(), 8):
        assert frame.pts is not None
        assert frame.monotonic - before >= frame.pts - 1e-3
    source.close()


def test_without_a_start_the_recording_begins_now(clip: Path) -> None:
    before = time.time()
    frame = next(FileSource(str(clip)).frames())
    assert before <= frame.captured_at <= time.time()


def test_close_ends_a_recording_that_waits_for_its_next_frame(tmp_path: Path) -> None:
    slow = clips.still_scene(tmp_path / "slow.mkv", fps=0.02, seconds=150)  # a frame in 50 s
    source = FileSource(str(slow), realtime=True)
    seen: list[RawFrame] = []
    reader = Thread(target=lambda: seen.extend(source.frames()))
    reader.start()
    while not seen and reader.is_alive():
        time.sleep(0.01)
    source.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(seen) == 1
    assert list(source.frames()) == []


def test_a_size_that_changes_in_mid_stream_changes_the_frames(tmp_path: Path) -> None:
    small = clips.moving_square(tmp_path / "a.h264", size=(160, 120), seconds=0.4)
    large = clips.moving_square(tmp_path / "b.h264", size=(320, 240), seconds=0.4)
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    sizes = [(frame.width, frame.height, frame.rgb().shape) for frame in FileSource(str(both)).frames()]
    assert sizes == [(160, 120, (120, 160, 3))] * 10 + [(320, 240, (240, 320, 3))] * 10


def test_damage_is_flagged_and_the_rest_is_delivered(tmp_path: Path) -> None:
    path = clips.moving_square(tmp_path / "a.ts", seconds=4)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    for packet in range(len(data) // 188 // 4, len(data) // 188 // 2):  # spoil the load of packets of the second second
        start = packet * 188 + 100
        data[start : start + 80] = rng.integers(0, 256, 80, np.uint8).tobytes()
    path.write_bytes(data)
    frames = list(FileSource(str(path)).frames())
    assert any(frame.corrupt for frame in frames)
    assert not frames[0].corrupt
    assert not frames[-1].corrupt
    good = [frame.rgb()[120:180].astype(int) for frame in frames if not frame.corrupt]  # where the square moves
    pictures = [picture[120:180] for picture in clips.square_pictures((320, 240), 100)]
    assert len(good) >= 50
    assert all(min(np.abs(one - picture).mean() for picture in pictures) < 6 for one in good)
    assert times(FileSource(str(path))) == sorted({frame.pts for frame in frames if frame.pts is not None})


@pytest.mark.parametrize("name", ["with space.mp4", "a:b.mp4", "ü%20#?.mp4", "-x.mp4"])
def test_names_are_taken_as_they_are(tmp_path: Path, name: str, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert next(FileSource(name).frames()).width == 320
    assert next(FileSource(f"file://{tmp_path / name}").frames()).width == 320


def test_what_cannot_be_read_is_refused_with_its_name_and_a_reason(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("This is not a video.\n" * 100)
    (tmp_path / "empty.mp4").touch()
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    for name, reason in {
        "none.mp4": "not_found",
        "text.mp4": "invalid",
        "empty.mp4": "invalid",
        "sound.wav": "invalid",
        ".": "invalid",
    }.items():
        path = str(tmp_path / name)
        with pytest.raises(SourceRefused) as caught:
            list(FileSource(path, loop=True).frames())
        assert (name, caught.value.reason) == (name, reason)
        assert str(caught.value).startswith(f"{path}: ")
        assert caught.value.__context__ is None


def test_a_mistyped_address_taken_for_a_file_is_masked() -> None:
    with pytest.raises(SourceRefused) as caught:
        next(FileSource("rtsp:/cam:s3cret@host/1").frames())
    assert str(caught.value) == "***@host/1: there is no such file or device"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "mine.mp4"
    path.write_bytes(clip.read_bytes())
    path.chmod(0)
    with pytest.raises(SourceRefused) as caught:
        list(FileSource(str(path)).frames())
    assert caught.value.reason == "unauthorized"


def test_a_recording_cut_off_in_the_middle_gives_what_there_is(tmp_path: Path) -> None:
    whole = clips.moving_square(tmp_path / "a.mkv", seconds=4)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames = []
    try:
        frames.extend(FileSource(str(cut)).frames())
    except SourceLost as error:
        assert error.reason in ("invalid", "network")
    assert 20 < len(frames) < 90


@pytest.mark.parametrize("name", ["film.mp4", "film.m3u8", "film.txt"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ntcp://127.0.0.1:{port}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.ts'\n",
        "ffconcat version 1.0\nfile 'rtsp://127.0.0.1:{port}/a'\n",
        "ffconcat version 1.0\nfile '{folder}/../elsewhere.mkv'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} TCP/RTP/AVP 96\n",
    ],
    ids=["hls-http", "hls-tcp", "concat-http", "concat-rtsp", "concat-file", "sdp"],
)
def test_a_recording_that_only_names_others_reaches_nobody(tmp_path: Path, text: str, name: str) -> None:
    """Somebody else's file must not make us ask around in our network, nor show what lies elsewhere on the disk."""
    home = tmp_path / "home"
    home.mkdir()
    clips.moving_square(tmp_path / "elsewhere.mkv", seconds=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        file = home / name
        file.write_text(text.format(port=listener.getsockname()[1], folder=home))
        with pytest.raises(SourceRefused):
            list(FileSource(str(file)).frames())
        with pytest.raises(TimeoutError):
            listener.accept()


class TestRisingTimes:
    def test_good_times_are_only_moved_to_start_at_0(self) -> None:
        rising = RisingTimes(0.04)
        assert [rising.next(t) for t in (1.4, 1.44, 1.5, 61.5)] == pytest.approx([0.0, 0.04, 0.1, 60.1])

    def test_missing_times_come_from_the_rate(self) -> None:
        rising = RisingTimes(0.1)
        assert [rising.next(t) for t in (None, None, 7.0, 7.1, None, 7.3)] == pytest.approx(
            [0, 0.1, 0.2, 0.3, 0.4, 0.5]
        )

    def test_repeated_and_falling_times_are_replaced_and_the_next_ones_counted_from_there(self) -> None:
        rising = RisingTimes(0.1)
        assert [rising.next(t) for t in (5.0, 5.1, 5.1, 5.2, 0.0, 0.1)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])

    def test_a_gap_is_kept_and_a_leap_is_not(self) -> None:
        rising = RisingTimes(0.1)
        assert [rising.next(t) for t in (0.0, 600.0, 95443.0, 95443.5)] == pytest.approx([0, 600, 600.1, 600.6])

    @given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.01, 2))
    def test_times_always_rise(self, told: list[float | None], step: float) -> None:
        rising = RisingTimes(step)
        got = [rising.next(t) for t in told]
        assert got[0] == 0
        assert all(0 < b - a <= LONGEST_GAP + step for a, b in itertools.pairwise(got))


def test_a_title_in_another_encoding_stops_nobody(tmp_path: Path, clip: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(tmp_path / "titled.mkv"), "w") as made:
        made.metadata["title"] = "Zoe"
        stream = made.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    path = tmp_path / "latin.mkv"
    data = (tmp_path / "titled.mkv").read_bytes()
    assert b"Zoe" in data
    path.write_bytes(data.replace(b"Zoe", b"Zo\xeb", 1))

    assert len(times(FileSource(str(path)))) == len(times(FileSource(str(clip))))
