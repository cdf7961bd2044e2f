"""The watched folder of photos: embedded once, swapped in whole, and no photo can stop the daemon."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camwatch.errors import PhotoError
from camwatch.records import Enrolled, Quality
from camwatch.service.gallery_loader import ATTEMPTS, POLL, SAVE_EVERY, GalleryLoader
from camwatch.service.messages import Message, enrolled_message

NETWORK = "test-network"


def put(folder: Path, person: str, name: str, content: str) -> None:
    (folder / person).mkdir(parents=True, exist_ok=True)
    (folder / person / name).write_text(content)


def embed(loader: GalleryLoader, jobs: list[dict[str, Any]], refuse: str = "nothing") -> list[str]:
    """Answer as inference would; returns the names of the photos asked for."""
    for job in jobs:
        path = Path(job["path"])
        data = path.read_bytes()
        if refuse in path.name:
            loader.take(Message("refused", {"asked": job["asked"], "error": f"{path}: no face found"}))
            continue
        digest = hashlib.sha256(data).hexdigest()
        rng = np.random.default_rng(list(data[:8]))
        rows = rng.normal(size=(2, 512)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        enrolled = Enrolled(job["person"], path.name, digest, rows, Quality(80, 50, 0.1, 0.9))
        loader.take(enrolled_message(enrolled, asked=job["asked"]))
    return [Path(job["path"]).name for job in jobs]


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    put(folder, "Ann", "1.jpg", "ann one")
    put(folder, "Ann", "2.jpg", "ann two")
    put(folder, "Bob", "1.jpg", "bob one")
    return folder


@pytest.fixture
def loader(faces):
    return GalleryLoader(faces, false_alarm_rate=0.01, threshold=None)


def test_the_gallery_comes_when_every_photo_is_embedded(loader):
    jobs = loader.begin(NETWORK)
    assert len(jobs) == 3
    embed(loader, jobs[:2])
    assert loader.finished() is None
    embed(loader, jobs[2:])
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.people == ("Ann", "Bob")
    assert recognizer.gallery.photos == 3
    assert loader.finished() is None


def test_a_restart_embeds_nothing_again(loader, faces):
    embed(loader, loader.begin(NETWORK))
    loader.finished()
    again = GalleryLoader(faces, false_alarm_rate=0.01, threshold=None)
    assert again.begin(NETWORK) == []
    recognizer = again.finished()
    assert recognizer is not None
    assert recognizer.gallery.photos == 3
    other = GalleryLoader(faces, false_alarm_rate=0.01, threshold=None)
    assert len(other.begin("another-network")) == 3


def test_a_change_embeds_only_what_is_new_and_a_removal_nothing(loader, faces):
    embed(loader, loader.begin(NETWORK))
    loader.finished()
    assert loader.poll(10.0) == []
    put(faces, "Zoë", "1.jpg", "zoë one")
    assert embed(loader, loader.poll(10.0 + POLL)) == ["1.jpg"]
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.people == ("Ann", "Bob", "Zoë")
    (faces / "Bob" / "1.jpg").unlink()
    assert loader.poll(20.0) == []
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.people == ("Ann", "Zoë")


def test_a_bad_photo_is_told_of_once_and_left_out(loader, faces, caplog):
    put(faces, "Bob", "bad.jpg", "rubbish")
    embed(loader, loader.begin(NETWORK), refuse="bad")
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.photos == 3
    put(faces, "Ann", "3.jpg", "ann three")
    assert embed(loader, loader.poll(10.0)) == ["3.jpg"]
    assert caplog.text.count("bad.jpg") == 1


def test_a_photo_over_which_inference_dies_again_and_again_is_left_out(loader):
    jobs = loader.begin(NETWORK)
    assert not any(job["alone"] for job in jobs)
    deadly = jobs[0]["asked"]
    for _ in range(ATTEMPTS - 1):
        die_at(loader, deadly)
        jobs = loader.begin(NETWORK)
        assert [job["asked"] for job in jobs if job["alone"]] == [deadly], "nobody knows whose fault it was"
        assert jobs[-1]["asked"] == deadly, "the others first"
    embed(loader, jobs[:-1])
    die_at(loader, deadly)
    assert loader.begin(NETWORK) == []
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.photos == 2


def test_a_good_photo_survives_two_deaths_that_others_caused(loader):
    for _ in range(2):
        die_at(loader, loader.begin(NETWORK)[-1]["asked"])
    embed(loader, loader.begin(NETWORK))
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.photos == 3


def die_at(loader: GalleryLoader, asked: str) -> None:
    loader.take(Message("embedding", {"asked": asked}))
    loader.interrupted()


@pytest.mark.parametrize("how", ["touched", "moved"])
@pytest.mark.parametrize("why", ["bad", "deadly"])
def test_a_photo_left_out_is_tried_again_when_its_file_changes(loader, faces, how, why):
    put(faces, "Bob", "bad.jpg", "rubbish")
    jobs = loader.begin(NETWORK)
    bad = next(job["asked"] for job in jobs if "bad" in job["path"])
    if why == "deadly":
        for _ in range(ATTEMPTS):
            die_at(loader, bad)
            jobs = loader.begin(NETWORK)
    embed(loader, jobs, refuse="bad")
    assert loader.finished() is not None
    put(faces, "Ann", "3.jpg", "ann three")
    assert embed(loader, loader.poll(10.0)) == ["3.jpg"]
    assert loader.finished() is not None
    path = faces / "Bob" / "bad.jpg"
    if how == "touched":
        os.utime(path, (5, 5))
    else:
        path.rename(faces / "Ann" / "good.jpg")
    [job] = loader.poll(20.0)
    assert (job["asked"], job["alone"]) == (bad, False)
    embed(loader, [job])
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.photos == 5


def test_photos_that_move_while_they_wait_are_embedded_where_they_are(loader, faces):
    jobs = loader.begin(NETWORK)
    (faces / "Ann").rename(faces / "Zoë")
    embed(loader, jobs[2:])
    for job in jobs[:2]:
        loader.take(Message("refused", {"asked": job["asked"], "error": f"{job['path']}: cannot be read"}))
    loader.finished()
    assert len(embed(loader, loader.poll(10.0))) == 2
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.people == ("Bob", "Zoë")


def test_another_network_tries_all_photos_again(loader):
    embed(loader, loader.begin(NETWORK), refuse="2.jpg")
    loader.finished()
    assert len(loader.begin("another-network")) == 3


def test_no_photo_is_blamed_for_a_death_it_had_no_part_in(loader):
    for _ in range(5):
        loader.begin(NETWORK)
        loader.interrupted()
    embed(loader, loader.begin(NETWORK)[:1])
    loader.interrupted()
    embed(loader, loader.begin(NETWORK))
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.photos == 3


def test_a_long_first_load_is_saved_as_it_goes(tmp_path):
    folder = tmp_path / "faces"
    for number in range(SAVE_EVERY + 5):
        put(folder, "Ann", f"{number}.jpg", f"{number:03d} ann")
    loader = GalleryLoader(folder, false_alarm_rate=0.01, threshold=None)
    embed(loader, loader.begin(NETWORK)[: SAVE_EVERY + 2])
    again = GalleryLoader(folder, false_alarm_rate=0.01, threshold=None)
    assert len(again.begin(NETWORK)) == 5


def test_a_photo_that_changes_while_it_is_embedded_does_not_block(loader, faces):
    jobs = loader.begin(NETWORK)
    (faces / "Bob" / "1.jpg").write_text("bob replaced")
    embed(loader, jobs)
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.people == ("Ann",)
    embed(loader, loader.poll(10.0))
    recognizer = loader.finished()
    assert recognizer is not None
    assert recognizer.gallery.people == ("Ann", "Bob")


def test_a_folder_that_vanishes_keeps_the_present_gallery(loader, faces, caplog):
    embed(loader, loader.begin(NETWORK))
    loader.finished()
    faces.rename(faces.with_name("moved"))
    for now in (10.0, 20.0, 30.0):
        assert loader.poll(now) == []
        assert loader.finished() is None
    assert caplog.text.count("the present gallery stays") == 1


def test_a_share_that_is_unmounted_sends_nobody_away(faces, tmp_path, caplog):
    """What is left then is an empty folder on another file system; here a link that leads elsewhere."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    share = tmp_path / "share"
    share.symlink_to(faces)
    loader = GalleryLoader(share, false_alarm_rate=0.01, threshold=None)
    embed(loader, loader.begin(NETWORK))
    assert loader.finished() is not None
    with tempfile.TemporaryDirectory(dir=elsewhere) as empty:
        share.unlink()
        share.symlink_to(empty)
        assert loader.poll(100.0) == []
        assert loader.finished() is None
        assert "not mounted?" in caplog.text
        share.unlink()
        share.symlink_to(faces)
        embed(loader, loader.poll(200.0))
    shutil.rmtree(faces)
    faces.mkdir()
    loader.poll(300.0)
    recognizer = loader.finished()
    assert recognizer is not None and recognizer.gallery.people == (), "here somebody has removed the photos"


def test_a_missing_folder_is_refused_at_the_start_and_an_empty_one_waits_for_photos(tmp_path, caplog):
    with pytest.raises(PhotoError, match="no such folder"):
        GalleryLoader(tmp_path / "missing", false_alarm_rate=0.01, threshold=None)
    (tmp_path / "empty").mkdir()
    loader = GalleryLoader(tmp_path / "empty", false_alarm_rate=0.01, threshold=None)
    assert "nobody is enrolled yet" in caplog.text
    assert loader.begin(NETWORK) == []
    recognizer = loader.finished()
    assert recognizer is not None and recognizer.gallery.people == ()
    put(tmp_path / "empty", "Ann", "1.jpg", "ann one")
    embed(loader, loader.poll(POLL))
    recognizer = loader.finished()
    assert recognizer is not None and recognizer.gallery.people == ("Ann",)


def test_another_folder_and_threshold_come_into_effect_while_it_runs(loader, tmp_path):
    embed(loader, loader.begin(NETWORK))
    assert loader.finished().gallery.people == ("Ann", "Bob")
    with pytest.raises(PhotoError, match="no such folder"):
        loader.change(tmp_path / "missing", false_alarm_rate=0.01, threshold=None)
    assert loader.poll(100.0) == [] and loader.finished() is None, "nothing has changed"
    put(tmp_path / "others", "Ann", "1.jpg", "ann one")
    put(tmp_path / "others", "Cid", "1.jpg", "cid one")
    loader.change(tmp_path / "others", false_alarm_rate=0.01, threshold=0.7)
    assert embed(loader, loader.poll(100.0)) == ["1.jpg"], "Ann's photo is known already"
    recognizer = loader.finished()
    assert (recognizer.gallery.people, recognizer.threshold) == (("Ann", "Cid"), 0.7)


def test_a_restart_on_purpose_blames_no_photo(loader):
    jobs = loader.begin(NETWORK)
    loader.take(Message("embedding", {"asked": jobs[0]["asked"]}))
    loader.restarted()
    loader.interrupted()
    assert not any(job["alone"] for job in loader.begin(NETWORK))
