"""Photos between the batches: none waits for the other to end, and a suspect one is alone."""

import itertools
import time
from pathlib import Path

from camwatch.errors import PhotoError
from camwatch.service.messages import Message
from tests.rigs.inference import write


def test_photos_are_embedded_also_where_frames_never_cease(setting, tmp_path: Path):
    rings, bell, start = setting
    worker, inference, _ = start(turns=8)
    worker.on_turn = lambda: write(rings, bell, "front", 1)
    photos = [{"person": "Ann", "path": str(tmp_path / f"{n}.jpg"), "asked": str(n), "alone": False} for n in range(2)]
    worker.commands.put(Message("embed", {"photos": photos}))
    write(rings, bell, "front", 1)
    inference.run()
    assert [m.fields["asked"] for m in worker.sent if m.kind == "refused"] == ["0", "1"]
    assert worker.kinds().count("observation") == 8


def test_many_photos_and_frames_take_turns(setting, tmp_path: Path):
    rings, bell, start = setting
    worker, inference, _ = start(turns=20)
    worker.on_turn = lambda: write(rings, bell, "front", 1)
    photos = [{"person": "Ann", "path": str(tmp_path / f"{n}.jpg"), "asked": str(n), "alone": False} for n in range(30)]
    worker.commands.put(Message("embed", {"photos": photos}))
    write(rings, bell, "front", 1)
    inference.run()
    work = [kind for kind in worker.kinds() if kind in ("observation", "embedding")]
    assert 9 <= work.count("embedding") <= 11  # half of the turns; what came meanwhile is analysed in the other half
    assert work.count("observation") >= 18
    assert ("embedding", "embedding") not in set(itertools.pairwise(work))
    assert rings["front"].counts().dropped_busy == 0


def test_photos_wait_for_frames_and_a_bad_one_is_answered(setting, tmp_path: Path):
    rings, bell, start = setting
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"no picture")
    worker, inference, _ = start(turns=3)
    worker.commands.put(
        Message("embed", {"photos": [{"person": "Ann", "path": str(photo), "asked": "abc", "alone": False}]})
    )
    write(rings, bell, "front", 1)
    inference.run()
    assert worker.kinds() == ["ready", "observation", "embedding", "refused"]
    assert worker.sent[-1].fields["asked"] == "abc"
    assert str(photo) in worker.sent[-1].fields["error"]


def test_a_suspect_photo_is_alone_at_work_though_frames_never_cease(setting, monkeypatch):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=5000, threads=2)
    at_work: list[int] = []
    beside: list[int] = []

    def at_batch(frames) -> None:
        at_work.append(1)
        time.sleep(0.01)
        at_work.pop()

    def enroll(analyzer, person, path, *, strict) -> None:
        before = len(analyzer.batches)
        beside.append(len(at_work))
        time.sleep(0.05)
        beside.append(len(analyzer.batches) - before)
        raise PhotoError(f"{path}: no face found")

    monkeypatch.setattr("camwatch.service.inference_main.enroll_photo", enroll)
    analyzer.on_batch = at_batch

    def more() -> None:
        for camera in rings:
            write(rings, bell, camera, 1)
        if "refused" in worker.kinds() and len(analyzer.batches) > after[0] + 2:
            worker.end()  # the batches go on
        elif "refused" not in worker.kinds():
            after[0] = len(analyzer.batches)

    after = [0]
    worker.on_turn = more
    more()
    inference._begin()
    photo = {"person": "Ann", "path": "/a.jpg", "asked": "abc", "alone": True}
    worker.commands.put(Message("embed", {"photos": [photo]}))
    inference.run()
    assert beside == [0, 0]
    assert len(analyzer.batches) > after[0] + 2
