from dataclasses import replace

from camwatch.identification.evidence import Gates
from camwatch.identification.tracker import Tracker
from camwatch.records import Face
from tests.identification.scene import START, face, frame, like, person

ANNA, BERT = person(1), person(2)


def tracker(lifetime: float = 5.0) -> Tracker:
    return Tracker(Gates(), lifetime=lifetime)


def numbers(follow: Tracker, seconds: float, *faces: Face) -> list[int]:
    """Track numbers in the order of the faces given."""
    found = {id(one.face): one.track.number for one in follow.update(frame(seconds, *faces), START + seconds)}
    return [found[id(one)] for one in faces]


def anna(x: float, seed: int = 0, **more: float) -> Face:
    return face(like(ANNA, 0.85, seed), x=x, **more)


def bert(x: float, seed: int = 0, **more: float) -> Face:
    return face(like(BERT, 0.85, seed), x=x, **more)


def test_people_who_cross_keep_their_tracks() -> None:
    follow = tracker()
    for step in range(11):  # they meet in the middle at step 5
        seen = numbers(follow, step * 0.2, anna(100 + 40 * step, step), bert(500 - 40 * step, step, y=245))
        assert seen == [1, 2]


def test_people_who_cross_with_one_face_hidden_keep_their_tracks() -> None:
    follow = tracker()
    for step in range(11):
        faces = [anna(100 + 40 * step, step)]
        if step not in (4, 5, 6):  # hidden behind the other
            faces.append(bert(500 - 40 * step, step))
        assert numbers(follow, step * 0.2, *faces) == [1, 2][: len(faces)]


def test_another_person_in_the_same_place_is_another_track() -> None:
    follow = tracker()
    assert [numbers(follow, step * 0.2, anna(300, step)) for step in range(5)] == [[1]] * 5
    assert [numbers(follow, 1 + step * 0.2, bert(300, step)) for step in range(3)] == [[2]] * 3


def test_one_odd_face_does_not_end_a_track() -> None:
    follow = tracker()
    assert numbers(follow, 0.0, anna(300, 1)) == [1]
    assert numbers(follow, 0.2, anna(300, 2)) == [1]
    assert numbers(follow, 0.4, bert(300, 3)) == [2]
    assert numbers(follow, 0.6, anna(300, 4)) == [1]


def test_faces_without_embedding_are_followed_by_their_place() -> None:
    follow = tracker()
    for step in range(8):
        tiny = [face(None, x=100 + 8 * step, height=18), face(None, x=300 - 8 * step, y=260, height=18)]
        assert numbers(follow, step * 0.2, *tiny) == [1, 2]
    assert numbers(follow, 1.6, face(None, x=600, y=50, height=18)) == [3]


def test_a_turned_face_goes_on_by_place_unless_it_looks_like_another() -> None:
    follow = tracker()
    assert numbers(follow, 0.0, anna(300, 1)) == [1]
    assert numbers(follow, 0.2, face(like(ANNA, 0.6, 5), x=310, turn=0.8)) == [1]
    assert numbers(follow, 0.4, face(like(BERT, 0.6, 6), x=310, turn=0.8)) == [2]


def test_the_same_person_elsewhere_after_a_second_goes_on() -> None:
    follow = tracker()
    assert numbers(follow, 0.0, anna(100, 1)) == [1]
    assert numbers(follow, 3.0, anna(600, 2)) == [1]
    assert numbers(follow, 9.0, anna(600, 3)) == [2], "older than the lifetime"


def test_a_face_found_twice_counts_once_and_the_surer_box_stays() -> None:
    seen = tracker().update(frame(0, anna(300, 1, confidence=0.92), anna(304, 1, confidence=0.999)), START)
    assert [one.face.detection.confidence for one in seen] == [0.999]


def test_two_faces_of_one_frame_never_share_a_track() -> None:
    follow = tracker()
    assert numbers(follow, 0.0, anna(300, 1)) == [1]
    assert sorted(numbers(follow, 0.2, anna(250, 2), anna(420, 3))) == [1, 2]


def test_only_usable_faces_are_pooled() -> None:
    follow = tracker()
    faces = [
        face(ANNA, height=28),
        face(ANNA, turn=0.6),
        face(ANNA, sharpness=2),
        face(ANNA, confidence=0.5),
        face(None),
        face(ANNA),
    ]
    for step, one in enumerate(faces):
        follow.update(frame(step * 0.1, one), START + step * 0.1)
    assert sum(track.evidence.used for track in follow.tracks) == 1
    assert sum(track.evidence.seen for track in follow.tracks) == 6


def test_a_crowd_is_cut_to_the_largest_faces() -> None:
    follow = Tracker(Gates(), lifetime=5.0, most=10)
    for step in range(20):
        crowd = [face(None, x=30 * n, y=30 * (step % 15), height=10 + n / 10) for n in range(100)]
        seen = follow.update(frame(step, *crowd), START + step)
        assert len(seen) == 10 and min(one.face.quality.height for one in seen) >= 19
        assert len(follow.tracks) <= 20


def test_numbers_are_the_instances_own() -> None:
    assert numbers(tracker(), 0.0, anna(300)) == numbers(tracker(), 0.0, anna(300)) == [1]


def test_of_too_many_tracks_the_latest_stay() -> None:
    tracks = Tracker(Gates(), lifetime=1000.0, most=2)
    for number in range(8):
        tracks.update(frame(float(number), face(person(200 + number), x=100.0 * number)), START + number)
    assert [track.number for track in tracks.tracks] == [5, 6, 7, 8]


def test_a_skipped_face_is_of_whom_its_follower_was_and_certain_only_then() -> None:
    tracks = Tracker(Gates(), lifetime=10.0)
    [first] = tracks.update(frame(0.0, replace(face(person(1)), follow=7)), START)
    [going_on] = tracks.update(frame(0.2, replace(face(None), follow=7, skipped=True)), START + 0.2)
    assert going_on.track is first.track and going_on.certain and not going_on.usable
    [strange] = tracks.update(frame(0.4, replace(face(None, x=500.0), follow=8, skipped=True)), START + 0.4)
    assert strange.track is not first.track and not strange.certain
    [nobody] = tracks.update(frame(0.6, replace(face(None, x=100.0), skipped=True)), START + 0.6)
    [again] = tracks.update(frame(0.8, replace(face(None, x=600.0), skipped=True)), START + 0.8)
    assert nobody.track is not again.track
