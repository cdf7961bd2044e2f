""" "Not this person": faces that were taken for somebody, and are not."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from camwatch.errors import PhotoError
from camwatch.identification.cache import read_cache
from camwatch.identification.faces import forget, scan, signature, store_photo
from camwatch.identification.gallery import Gallery
from camwatch.identification.loader import load_folder
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.visits import VisitTracker
from camwatch.records import Embedding, Enrolled
from tests.identification.scene import GOOD, check_contract, enrolled, like, person, stay, told, whole

ANN, BOB = person(1), person(2)


def other(alike: float = 0.75, seed: int = 4) -> Embedding:
    """A stranger who looks like Ann."""
    return like(ANN, alike, seed)


def known(*denied: Embedding, **people: Embedding) -> Recognizer:
    negatives = [Enrolled("Ann", f"Ann/not/{n}.png", f"n{n}", one[None], GOOD, True) for n, one in enumerate(denied)]
    return Recognizer(Gallery([*enrolled(**(people or {"Ann": ANN, "Bob": BOB})), *negatives], "test"))


def denied(who: str, embedding: Embedding, name: str = "1") -> Enrolled:
    return Enrolled(who, f"{who}/not/{name}.png", f"n{who}{name}", embedding[None], GOOD, True)


def bobs(*photos: Embedding) -> list[Enrolled]:
    return [Enrolled("Bob", f"Bob/{n}.png", f"b{n}", one[None], GOOD) for n, one in enumerate(photos)]


def test_who_is_denied_is_not_named_and_the_person_still_is() -> None:
    stranger = other()
    assert known().identify(like(stranger, 0.9, 8)).person == "Ann", "the mistake"
    rule = known(like(stranger, 0.9, 9))
    found = rule.identify(like(stranger, 0.9, 8))
    assert found.person is None and found.best is not None and found.best.person == "Ann"
    assert found.against is not None and found.against > found.best.score
    again = rule.identify(like(ANN, 0.8, 3))
    assert again.person == "Ann" and again.against is not None and again.against < again.best.score - 0.05
    assert rule.gallery.people == ("Ann", "Bob") and rule.gallery.photos == 2
    assert known().identify(ANN).against is None


def test_a_visit_of_whom_is_denied_is_unknown_and_not_the_person() -> None:
    stranger = other()
    assert told(whole(VisitTracker("door", known(), node="n"), stay(stranger, seconds=4.0))) == [
        ("recognized", "Ann"),
        ("ended", "Ann"),
    ]
    tracker = VisitTracker("door", known(like(stranger, 0.95, 9)), node="n")
    events = whole(tracker, stay(stranger, seconds=4.0))
    assert told(events) == [("unknown", None), ("ended", None)]
    check_contract(events)
    account = events[0].account
    assert account is not None and account.against is not None
    assert {one.name: one.met for one in account.naming}["denied"] is False
    ann = VisitTracker("door", known(like(stranger, 0.95, 9)), node="n")
    assert told(whole(ann, stay(ANN, seconds=4.0)))[0] == ("recognized", "Ann")


def test_that_it_is_not_ann_does_not_make_it_bob() -> None:
    """A stranger who is a little like Bob, too: whom it is not says nothing of who it is."""
    rest = like(BOB, 0.999, 1) - (like(BOB, 0.999, 1) @ ANN) * ANN
    stranger = 0.70 * ANN + 0.55 * rest / np.linalg.norm(rest)
    noise = like(person(9), 0.999, 1)
    stranger = np.asarray(stranger + np.sqrt(1 - stranger @ stranger) * noise, np.float32)
    stranger /= np.linalg.norm(stranger)
    found = known(like(stranger, 0.95, 7)).identify(stranger)
    assert found.person is None and found.best is not None and found.best.person == "Ann"


def test_where_the_denied_face_is_bobs_it_is_bob() -> None:
    """A picture that is Bob's photo and denied to be Ann says both."""
    bob = like(ANN, 0.8, 5)  # he looks like her
    photo, probe = like(bob, 0.7, 6), like(bob, 0.97, 7)
    assert known(Ann=ANN, Bob=photo).identify(probe).person == "Ann", "the mistake"
    clip = like(bob, 0.95, 8)
    his = bobs(photo, like(BOB, 0.9, 1), clip)
    found = Recognizer(Gallery([*enrolled(Ann=ANN), *his, denied("Ann", clip)], "test")).identify(probe)
    assert found.person == "Bob" and found.runner_up is None

    both = Recognizer(Gallery([*enrolled(Ann=ANN, Carl=person(5)), *his, denied("Ann", clip)], "test"))
    events = whole(VisitTracker("door", both, node="nvr"), stay(probe, cosine=0.97))
    assert told(events) == [("recognized", "Bob"), ("ended", "Bob")]
    others = {event.runner_up.person for event in events if event.runner_up is not None}
    assert others == {"Carl"}, "who it was not at the name it is not at the end"


def test_negatives_make_nobody_a_person() -> None:
    gallery = Gallery([Enrolled("Eve", "Eve/not/1.png", "e", person(5)[None], GOOD, True), *enrolled(Ann=ANN)], "test")
    assert gallery.people == ("Ann",) and gallery.photos == 1
    assert gallery.against(person(5), "Eve") is None and not gallery.has_negatives
    assert gallery.nearest_photos(person(5), 5)[0].photo == "Ann/1.jpg"


def embed(who: str, path: Path) -> Enrolled:
    content = path.read_bytes()
    return Enrolled(who, path.name, hashlib.sha256(content).hexdigest(), person(len(content))[None], GOOD)


def test_they_lie_in_a_folder_of_the_persons_and_are_forgotten_with_it(tmp_path: Path) -> None:
    store_photo(tmp_path, "Ann", b"1", ".jpg")
    before = signature(tmp_path)
    denied = store_photo(tmp_path, "Ann", b"22", ".png", negative=True)
    assert denied.parent.name == "not" and denied.parent.stat().st_mode & 0o777 == 0o700
    assert signature(tmp_path) != before, "the daemon sees it"
    found = scan(tmp_path)
    assert [(photo.person, photo.negative) for photo in found.photos] == [("Ann", False), ("Ann", True)]
    assert found.people == ("Ann",) and found.problems == ()
    assert denied in forget(tmp_path, "Ann").photos
    assert not denied.exists() and not (tmp_path / "ann").exists()


def test_whose_picture_denies_another_is_forgotten_there_too(tmp_path: Path) -> None:
    store_photo(tmp_path, "Ann", b"1", ".jpg")
    store_photo(tmp_path, "Bob", b"333", ".jpg")
    there = store_photo(tmp_path, "Bob", b"1", ".jpg", negative=True)
    strangers = store_photo(tmp_path, "Bob", b"4444", ".jpg", negative=True)
    load_folder(tmp_path, "net", embed)
    erased = forget(tmp_path, "Ann")
    assert there in erased.photos and not there.exists() and strangers.exists()
    assert {photo.sha256 for photo in scan(tmp_path).photos} == set(read_cache(tmp_path, "net"))


@pytest.mark.parametrize("linked", [True, False])
def test_forgetting_follows_a_link(tmp_path: Path, linked: bool) -> None:
    faces, home = tmp_path / "faces", tmp_path / "elsewhere"
    (home / "not").mkdir(parents=True)
    (home / "1.jpg").write_bytes(b"1")
    (home / "not" / "2.jpg").write_bytes(b"2")
    faces.mkdir()
    if linked:
        (faces / "Ann").symlink_to(home)
    else:
        (faces / "Ann").mkdir()
        (faces / "Ann" / "1.jpg").write_bytes(b"1")
        (faces / "Ann" / "not").symlink_to(home / "not")
    forget(faces, "Ann")
    assert not (faces / "Ann").exists()
    assert not linked or not (home / "not" / "2.jpg").exists()


def test_the_cache_keeps_them_and_the_folder_says_what_they_are(tmp_path: Path) -> None:
    store_photo(tmp_path, "Ann", b"1", ".jpg")
    store_photo(tmp_path, "Ann", b"22", ".png", negative=True)
    first = load_folder(tmp_path, "net", embed)
    again = load_folder(tmp_path, "net", lambda who, path: pytest.fail("is in the cache"))
    for loaded in (first, again):
        assert loaded.gallery.people == ("Ann",) and loaded.gallery.photos == 1
        assert loaded.gallery.against(person(2), "Ann") == pytest.approx(1.0)


def test_negatives_alone_are_nobody(tmp_path: Path) -> None:
    store_photo(tmp_path, "Ann", b"22", ".png", negative=True)
    with pytest.raises(PhotoError, match="all show who is not the person"):
        load_folder(tmp_path, "net", embed)


def test_the_nearest_of_several_denied_faces_counts_and_says_whom_it_shows() -> None:
    far, near = like(BOB, 0.95, 1), like(person(3), 0.95, 2)
    negatives = denied("Ann", far, "1"), denied("Ann", near, "2")
    gallery = Gallery([*enrolled(Ann=ANN, Bob=BOB, Carl=person(3)), *negatives], "test")
    assert gallery.against(near, "Ann") == pytest.approx(1.0, abs=1e-5)
    assert gallery.against(far, "Ann") == pytest.approx(1.0, abs=1e-5)
    assert (gallery.shown_by(near, "Ann"), gallery.shown_by(far, "Ann")) == ("Carl", "Bob")


def test_a_face_as_like_the_denied_one_as_like_the_person_is_not_named() -> None:
    rule = Recognizer(Gallery([*enrolled(Ann=ANN), denied("Ann", ANN)], "test"))
    found = rule.identify(ANN)
    assert found.best is not None and found.against == found.best.score and found.person is None


def test_all_who_are_denied_by_bobs_picture_make_way_for_bob() -> None:
    bob = like(ANN, 0.8, 5)
    twin = like(ANN, 0.99, 6)
    clip, probe = like(bob, 0.95, 8), like(bob, 0.97, 7)
    photos = enrolled(Ann=ANN, Anna=twin)
    his = bobs(like(bob, 0.6, 6), like(BOB, 0.9, 1), clip)
    rule = Recognizer(Gallery([*photos, *his, denied("Ann", clip), denied("Anna", clip)], "test"))
    assert [one.person for one in rule.gallery.search(probe)].index("Bob") == 2, "the last of three"
    assert rule.identify(probe).person == "Bob"


def test_who_is_denied_still_competes_where_the_other_could_not_be_named() -> None:
    bob = like(ANN, 0.8, 5)
    clip, probe = like(bob, 0.95, 8), like(bob, 0.97, 7)
    his = bobs(clip, like(person(8), 1.0, 1), like(person(9), 1.0, 2), person(10))
    rule = Recognizer(Gallery([*enrolled(Ann=ANN), *his, denied("Ann", clip)], "test"))
    score = rule.gallery.score(probe, "Bob")
    assert score is not None and score < rule.threshold
    found = rule.identify(probe)
    assert found.person is None and found.best is not None and found.best.person == "Ann"
    assert found.against is not None


def test_a_named_visit_is_compared_with_the_denied_faces_too() -> None:
    other = like(ANN, 0.75, 4)
    rule = Recognizer(Gallery([*enrolled(Ann=ANN), denied("Ann", other)], "test"))
    assert rule.compare(other, "Ann").against == pytest.approx(1.0, abs=1e-5)
