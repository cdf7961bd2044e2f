"""Topic names as published."""

import pytest

from camwatch.publishing.topics import Topics


def test_every_topic() -> None:
    topics = Topics("camwatch", "nvr1")
    assert [
        topics.status,
        topics.event,
        topics.event_late,
        topics.camera_availability("front_door"),
        topics.camera_state("front_door"),
        topics.camera_image("front_door"),
        topics.camera_enabled("front_door"),
        topics.camera_enabled_set("front_door"),
        topics.person_state("alice"),
    ] == [
        "camwatch/nvr1/status",
        "camwatch/nvr1/event",
        "camwatch/nvr1/event/late",
        "camwatch/nvr1/camera/front_door/availability",
        "camwatch/nvr1/camera/front_door/state",
        "camwatch/nvr1/camera/front_door/image",
        "camwatch/nvr1/camera/front_door/enabled",
        "camwatch/nvr1/camera/front_door/enabled/set",
        "camwatch/nvr1/person/alice/state",
    ]


def test_a_prefix_may_have_levels() -> None:
    assert Topics("home/cams", "nvr1").status == "home/cams/nvr1/status"


@pytest.mark.parametrize("part", ["", "a/b", "+", "a#", "a\0"])
def test_wildcards_and_more_levels_are_refused(part: str) -> None:
    with pytest.raises(ValueError):
        Topics("camwatch", part)
    with pytest.raises(ValueError):
        Topics("camwatch", "nvr1").camera_state(part)
    with pytest.raises(ValueError):
        Topics("camwatch", "nvr1").person_state(part)


@pytest.mark.parametrize("prefix", ["", "/camwatch", "camwatch/", "a//b", "a/+/b"])
def test_bad_prefixes_are_refused(prefix: str) -> None:
    with pytest.raises(ValueError):
        Topics(prefix, "nvr1")
