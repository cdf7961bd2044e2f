"""Where people are, from what cameras say."""

from camwatch.records import CameraState
from camwatch.service.presence import Presence


def camera(name: str, *present: str, last: float | None = None) -> CameraState:
    return CameraState(name, present, 0, present[-1] if present else None, last, 0.0)


def test_a_person_is_present_where_a_camera_says_so_and_was_there_last_afterwards():
    presence = Presence(people=("Ann", "Bob"))
    [ann, bob] = presence.update([camera("door", "Ann"), camera("garden")], {("door", "Ann"): 12.0})
    assert (ann.present, ann.last_camera, ann.last_seen) == (True, "door", 12.0)
    assert (bob.present, bob.last_camera, bob.last_seen) == (False, None, None)
    [ann, _] = presence.update([camera("door"), camera("garden")], {})
    assert (ann.present, ann.last_camera, ann.last_seen) == (False, "door", 12.0)


def test_the_latest_sighting_of_two_cameras_counts():
    presence = Presence(people=("Ann",))
    seen = {("door", "Ann"): 20.0, ("garden", "Ann"): 15.0}
    [ann] = presence.update([camera("door", "Ann"), camera("garden", "Ann")], seen)
    assert (ann.last_camera, ann.last_seen) == ("door", 20.0)


def test_history_fills_in_but_never_overrides_what_is_newer():
    presence = Presence(people=("Ann",))
    presence.remember("Ann", "door", 10.0)
    presence.remember("Ann", "garden", 5.0)
    [ann] = presence.update([], {})
    assert (ann.present, ann.last_camera, ann.last_seen) == (False, "door", 10.0)


def test_only_enrolled_people_have_a_state():
    presence = Presence(people=())
    assert presence.update([camera("door", "Ann")], {("door", "Ann"): 1.0}) == []
