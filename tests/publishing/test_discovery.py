import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from camwatch.publishing.discovery import KEEP_LEFT, MOST_LEFT, Discovery, Style
from camwatch.publishing.topics import Topics

TOPICS = Topics("camwatch", "nvr1")
SERVICE = "homeassistant/device/camwatch_nvr1/config"
DOOR = "homeassistant/device/camwatch_nvr1_camera_front_door/config"


def discovery(
    folder: Path,
    *,
    cameras: tuple[str, ...] = ("front_door",),
    prefix: str | None = "homeassistant",
    style: Style = "device",
    images: bool = False,
    clock: Callable[[], float] = lambda: 1000.0,
) -> Discovery:
    path = folder / "discovery.json"
    return Discovery(path, topics=TOPICS, cameras=cameras, prefix=prefix, style=style, images=images, clock=clock)


def decoded(messages: Mapping[str, bytes | None]) -> dict[str, Any]:
    return {topic: None if payload is None else json.loads(payload) for topic, payload in messages.items()}


def entities(messages: Mapping[str, bytes | None], topic: str) -> dict[str, Any]:
    found: dict[str, Any] = decoded(messages)[topic]["components"]
    return found


def test_a_device_for_the_service_and_one_for_each_camera(tmp_path: Path) -> None:
    told = decoded(discovery(tmp_path, cameras=("front_door", "yard")).announce({}))

    assert list(told) == [SERVICE, DOOR, "homeassistant/device/camwatch_nvr1_camera_yard/config"]
    assert told[DOOR]["device"]["via_device"] == told[SERVICE]["device"]["identifiers"][0] == "camwatch_nvr1"
    assert told[DOOR]["device"]["name"] == "Front door"
    assert all(each["origin"]["name"] == "camwatch" for each in told.values())


def test_what_a_camera_has(tmp_path: Path) -> None:
    door = entities(discovery(tmp_path, images=True).announce({}), DOOR)

    assert {key: each["platform"] for key, each in door.items()} == {
        "face": "event",
        "last_person": "sensor",
        "occupancy": "binary_sensor",
        "enabled": "switch",
        "connection": "binary_sensor",
        "analyzed_fps": "sensor",
        "dropped_frames": "sensor",
        "last_face": "image",
    }
    assert door["face"]["event_types"] == ["recognized", "unknown", "ended"]
    assert door["face"]["state_topic"] == TOPICS.event  # not the one for late events
    assert door["face"]["default_entity_id"] == "event.front_door_face"
    without = entities(discovery(tmp_path).announce({}), DOOR)
    assert without["last_face"] == {"platform": "image"}  # taken back


def test_all_but_the_switch_need_service_and_camera(tmp_path: Path) -> None:
    door = entities(discovery(tmp_path).announce({}), DOOR)

    for key, each in door.items():
        topics = [one["topic"] for one in each["availability"]]
        if key in ("enabled", "connection"):
            assert topics == [TOPICS.status]
        else:
            assert (topics, each["availability_mode"]) == (
                [TOPICS.status, TOPICS.camera_availability("front_door")],
                "all",
            )


def test_people_belong_to_the_service(tmp_path: Path) -> None:
    people = {"asa": "Åsa", "person_1a2b3c4d": "🦊"}
    service = entities(discovery(tmp_path).announce(people), SERVICE)

    assert [key for key in service if "asa" in key] == [
        "person_asa_present",
        "person_asa_last_camera",
        "person_asa_last_seen",
    ]
    assert service["person_asa_present"]["name"] == "Åsa present"
    assert service["person_asa_last_seen"]["device_class"] == "timestamp"
    assert service["person_person_1a2b3c4d_present"]["state_topic"] == TOPICS.person_state("person_1a2b3c4d")


def test_ids_are_unique_and_stable(tmp_path: Path) -> None:
    def ids(folder: Path) -> list[str]:
        folder.mkdir()
        told = decoded(discovery(folder, cameras=("a", "b"), images=True).announce({"bob": "Bob", "eve": "Eve"}))
        return [one["unique_id"] for each in told.values() for one in each["components"].values()]

    found = ids(tmp_path / "one")
    assert len(found) == len(set(found)) == 1 + 2 * 3 + 2 * 8
    assert found == ids(tmp_path / "two")


def test_an_entity_that_left_is_named_by_its_platform_alone(tmp_path: Path) -> None:
    discovery(tmp_path).announce({"bob": "Bob", "eve": "Eve"})
    for _ in range(2):  # also after the next restart: Home Assistant may be cut off
        service = entities(discovery(tmp_path).announce({"eve": "Eve"}), SERVICE)
        assert service["person_bob_last_camera"] == {"platform": "sensor"}
        assert service["person_eve_last_camera"]["platform"] == "sensor" and len(service["person_eve_last_camera"]) > 1

    back = entities(discovery(tmp_path).announce({"bob": "Bob", "eve": "Eve"}), SERVICE)
    assert len(back["person_bob_last_camera"]) > 1


def test_what_left_is_named_for_some_days_only(tmp_path: Path) -> None:
    discovery(tmp_path).announce({"bob": "Bob"})

    def at(seconds: float) -> dict[str, Any]:
        return entities(discovery(tmp_path, clock=lambda: seconds).announce({}), SERVICE)

    assert at(2000.0)["person_bob_present"] == {"platform": "binary_sensor"}
    assert "person_bob_present" in at(2000.0 + KEEP_LEFT - 1)
    assert "person_bob_present" not in at(2000.0 + KEEP_LEFT)
    assert "bob" not in (tmp_path / "discovery.json").read_text()


def test_a_clock_that_was_set_back_keeps_nothing_for_good(tmp_path: Path) -> None:
    one = discovery(tmp_path, clock=lambda: 1e12)
    one.announce({"bob": "Bob"})
    one.announce({})
    discovery(tmp_path, clock=lambda: 2000.0).announce({})
    told = discovery(tmp_path, clock=lambda: 2000.0 + KEEP_LEFT).announce({})
    assert list(entities(told, SERVICE)) == ["running"]


def test_a_memory_without_times_counts_from_now(tmp_path: Path) -> None:
    stubs = {"running": "binary_sensor", "person_bob_present": "binary_sensor"}
    old = {"version": 1, "announced": {SERVICE: stubs, "homeassistant/device/gone/config": {}}}
    (tmp_path / "discovery.json").write_text(json.dumps(old))

    told = discovery(tmp_path, clock=lambda: 2e9).announce({})
    assert told["homeassistant/device/gone/config"] is None
    assert entities(told, SERVICE)["person_bob_present"] == {"platform": "binary_sensor"}
    told = discovery(tmp_path, clock=lambda: 2e9 + KEEP_LEFT).announce({})
    assert list(entities(told, SERVICE)) == ["running"]
    assert "homeassistant/device/gone/config" not in told


def test_a_camera_that_left_is_cleared_once(tmp_path: Path) -> None:
    discovery(tmp_path, cameras=("front_door", "yard")).announce({})
    told = discovery(tmp_path, cameras=("yard",)).announce({})
    assert told[DOOR] is None
    assert told["homeassistant/device/camwatch_nvr1_camera_yard/config"]
    # Home Assistant warns of what it does not know, so it is not told again; nor is the name kept
    assert DOOR not in discovery(tmp_path, cameras=("yard",)).announce({})
    assert "front_door" not in (tmp_path / "discovery.json").read_text()


def test_without_a_prefix_all_is_taken_back(tmp_path: Path) -> None:
    assert discovery(tmp_path, prefix=None).announce({"bob": "Bob"}) == {}
    discovery(tmp_path).announce({"bob": "Bob"})
    off = discovery(tmp_path, prefix=None)
    assert off.announce({"bob": "Bob"}) == {SERVICE: None, DOOR: None}
    assert off.birth_topic is None


def test_components_have_a_message_each(tmp_path: Path) -> None:
    discovery(tmp_path).announce({"bob": "Bob"})
    told = decoded(discovery(tmp_path, style="component").announce({"bob": "Bob"}))

    assert told[SERVICE] is None and told[DOOR] is None  # of the other style
    face = told["homeassistant/event/camwatch_nvr1_camera_front_door/face/config"]
    assert face["unique_id"] == "camwatch_nvr1_camera_front_door_face"
    assert face["object_id"] == "front_door_face" and face["device"]["via_device"] == "camwatch_nvr1"

    without = decoded(discovery(tmp_path, style="component").announce({}))
    assert without["homeassistant/sensor/camwatch_nvr1/person_bob_last_seen/config"] is None
    again = discovery(tmp_path, style="component").announce({})
    assert [topic for topic, message in again.items() if message is None] == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"version": 2}',
        '{"version": 1, "announced": [1]}',
        '{"version": 1, "announced": {}, "left": {"topic": {"key": 1}}}',
        '{"version": 1, "announced": {}, "left": {"topic": {"key": ["sensor", 1' + 400 * "0" + "]}}}",
        "\xff",
    ],
)
def test_a_damaged_memory_is_told_and_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    (tmp_path / "discovery.json").write_text(content, "latin-1")
    again = discovery(tmp_path)
    [record] = caplog.records
    assert "discovery.json is damaged" in record.getMessage()
    assert set(again.announce({})) == {SERVICE, DOOR}
    assert json.loads((tmp_path / "discovery.json").read_text())["version"] == 1


def test_where_nothing_can_be_remembered_it_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "discovery.json.d").touch()
    path = tmp_path / "discovery.json.d" / "discovery.json"  # below a file
    away = Discovery(path, topics=TOPICS, cameras=("a",), prefix="homeassistant", style="device", images=False)
    caplog.clear()
    assert SERVICE in away.announce({})
    assert "Home Assistant may keep entities that leave" in caplog.text


def test_what_has_left_is_remembered_within_bounds(tmp_path: Path) -> None:
    one = discovery(tmp_path)
    for number in range(MOST_LEFT):
        one.announce({f"p{number}": "P"})
    service = entities(one.announce({}), SERVICE)
    assert len(service) == 1 + MOST_LEFT
    assert f"person_p{MOST_LEFT - 1}_present" in service and "person_p0_present" not in service


def test_of_who_is_forgotten_no_entity_is_named_any_more_and_of_others_it_is(tmp_path: Path) -> None:
    announcing = discovery(tmp_path)
    announcing.announce({"sam": "Sam", "sam_last": "Sam Last", "ann": "Ann"})
    assert "person_sam_present" in entities(announcing.announce({"ann": "Ann"}), SERVICE)
    announcing.forget("sam")
    for again in (announcing, discovery(tmp_path)):
        service = entities(again.announce({"ann": "Ann"}), SERVICE)
        assert [key for key in service if key.startswith("person_sam_") and "sam_last_last" not in key] == [
            "person_sam_last_present"
        ]
        assert len([key for key in service if key.startswith("person_")]) == 6
    assert '"person_sam_present"' not in (tmp_path / "discovery.json").read_text()
