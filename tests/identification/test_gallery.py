import numpy as np
import pytest

from camwatch.identification.gallery import Gallery
from camwatch.records import Enrolled
from tests.identification.scene import GOOD, enrolled, like, person


def test_a_template_is_the_mean_of_all_photos_and_mirrors() -> None:
    first, second = like(person(1), 0.9, 1), like(person(1), 0.9, 2)
    photos = [
        Enrolled("alice", "a.jpg", "1", np.stack([first, second]), GOOD),
        Enrolled("alice", "b.jpg", "2", second[None], GOOD),
    ]
    gallery = Gallery(photos, "net")
    mean = first + 2 * second
    assert np.allclose(gallery.templates[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert (gallery.people, gallery.photos, gallery.network, len(gallery)) == (("alice",), 2, "net", 1)


def test_search_orders_people_by_likeness() -> None:
    people = {"carol": person(3), "alice": person(1), "bob": person(2)}
    gallery = Gallery(enrolled(**people), "net")
    assert gallery.people == ("alice", "bob", "carol")
    probe = like(people["bob"], 0.7, 1)
    found = gallery.search(probe)
    assert found[0].person == "bob" and found[0].score == pytest.approx(0.7, abs=1e-4)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert gallery.search(probe, 1) == found[:1]
    assert gallery.score(probe, "bob") == pytest.approx(0.7, abs=1e-4) and gallery.score(probe, "dave") is None


def test_the_order_of_photos_does_not_matter() -> None:
    photos = [*enrolled(alice=person(1), bob=person(2)), Enrolled("alice", "x", "x", person(3)[None], GOOD)]
    one, other = Gallery(photos, "net"), Gallery(photos[::-1], "net")
    assert one.people == other.people and np.array_equal(one.templates, other.templates)


def test_nobody_and_photos_without_a_face() -> None:
    assert Gallery([], "net").search(person(1)) == []
    blank = Enrolled("alice", "a.jpg", "1", np.zeros((0, 512), np.float32), GOOD)
    assert Gallery([blank], "net").people == ()


def test_templates_cannot_be_changed_and_nonsense_is_refused() -> None:
    gallery = Gallery(enrolled(alice=person(1)), "net")
    with pytest.raises(ValueError, match="read-only"):
        gallery.templates[0, 0] = 1.0
    with pytest.raises(ValueError, match=r"a\.jpg"):
        Gallery([Enrolled("alice", "a.jpg", "1", np.full((1, 512), np.nan, np.float32), GOOD)], "net")


def test_opposite_photos_are_like_nobody_rather_than_an_error() -> None:
    gallery = Gallery([Enrolled("alice", "a.jpg", "1", np.stack([person(1), -person(1)]), GOOD)], "net")
    assert gallery.search(person(1))[0].score == 0.0


def test_the_fewest_photos_are_those_of_who_has_fewest() -> None:
    more = [Enrolled("Bob", f"Bob/{n}.jpg", f"b{n}", like(person(2), 0.9, n)[None], GOOD) for n in range(2, 4)]
    assert Gallery([*enrolled(Ann=person(1), Bob=person(2)), *more], "test").fewest_photos == 1
    assert Gallery([], "test").fewest_photos == 0
