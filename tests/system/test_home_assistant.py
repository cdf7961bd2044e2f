"""A real Home Assistant beside a real broker and the daemon on real video."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from camwatch.publishing.discovery import Discovery
from camwatch.publishing.topics import Topics
from tests.rigs.homeassistant import HOME_ASSISTANT_MISSING, HomeAssistant
from tests.rigs.mosquitto import Subscriber
from tests.system.daemon import configuration, events

pytestmark = [
    pytest.mark.system,
    pytest.mark.weights,
    pytest.mark.timeout(900),
    pytest.mark.skipif(HOME_ASSISTANT_MISSING is not None, reason=str(HOME_ASSISTANT_MISSING)),
]

BLUEPRINTS = Path(__file__).parents[2] / "config" / "homeassistant" / "blueprints"
ACL = """\
user camwatch
topic readwrite camwatch/#
topic write homeassistant/#
topic read homeassistant/status
user ha
topic readwrite #
user reader
topic read #
"""


def counted(name: str) -> list[dict[str, Any]]:
    return [{"action": "counter.increment", "target": {"entity_id": f"counter.{name}"}}]


def automation(blueprint: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"id": blueprint, "use_blueprint": {"path": f"camwatch/{blueprint}.yaml", "input": inputs}}


AUTOMATIONS = [
    automation("known_person", {"camera": "event.front_door_face", "person": "Sam", "actions": counted("known")}),
    automation(
        "stranger_lingers",
        {"camera": "event.garden_face", "duration": {"seconds": 2}, "actions": counted("lingering")},
    ),
    automation(
        "camera_offline",
        {
            "connection": "binary_sensor.front_door_connection",
            "enabled": "switch.front_door_enabled",
            "duration": {"seconds": 2},
            "actions": counted("offline"),
        },
    ),
]


class Pretender:
    """Says what a daemon says, of one camera, so that every second of it is ours."""

    def __init__(self, folder: Path, client: Subscriber) -> None:
        """Come up with a camera that delivers and nobody there."""
        self._folder, self._client, self.topics = folder, client, Topics("camwatch", "test")
        self.online(True)
        self.camera(True)
        self.enabled(True)
        self.state(0)
        self.announce(["front_door"])

    def announce(self, cameras: list[str]) -> None:
        path = self._folder / "discovery.json"
        told = Discovery(
            path, topics=self.topics, cameras=cameras, prefix="homeassistant", style="device", images=False
        ).announce({"sam": "Sam"})
        for topic, message in told.items():
            self._client.publish(topic, message or b"", retain=True)

    def online(self, yes: bool) -> None:
        self._client.publish(self.topics.status, b"online" if yes else b"offline", retain=True)

    def camera(self, yes: bool) -> None:
        topic = self.topics.camera_availability("front_door")
        self._client.publish(topic, b"online" if yes else b"offline", retain=True)

    def enabled(self, yes: bool) -> None:
        self._client.publish(self.topics.camera_enabled("front_door"), b"ON" if yes else b"OFF", retain=True)

    def state(self, unknown: int) -> None:
        fields = {"present": [], "unknown_count": unknown, "last_person": "Sam", "last_seen": None}
        payload = json.dumps({**fields, "analyzed_fps": 4.5, "dropped_frames": 7}).encode()
        self._client.publish(self.topics.camera_state("front_door"), payload, retain=True)

    def event(self, kind: str, visit: str, *, late: bool = False) -> None:
        """A repeat has the id of what it repeats."""
        seq = {"unknown": 1, "recognized": 2, "ended": 3}[kind]
        person = None if kind == "unknown" else "Sam"
        fields = {"event_type": kind, "event_id": f"{visit}-{seq}", "visit_id": visit, "seq": seq, "person": person}
        payload = json.dumps({**fields, "camera": "front_door", "score": 0.9, "late": late}).encode()
        self._client.publish(self.topics.event_late if late else self.topics.event, payload)

    def blip(self, what: Callable[[bool], None]) -> None:
        what(False)
        time.sleep(0.7)
        what(True)


def test_each_visit_counts_once(tmp_path, mosquitto):
    broker = mosquitto(users={"ha": "pw", "reader": "pw"}, persistence=True)
    front = {
        "known_person": {"camera": "event.front_door_face", "actions": counted("known")},
        "stranger_lingers": {
            "camera": "event.front_door_face",
            "duration": {"seconds": 2},
            "actions": counted("lingering"),
        },
        "camera_offline": AUTOMATIONS[2]["use_blueprint"]["input"],
    }
    automations = yaml.safe_dump([automation(name, inputs) for name, inputs in front.items()])
    with (
        HomeAssistant(broker, username="ha", password="pw", automations=automations, blueprints=BLUEPRINTS) as home,
        Subscriber(broker, username="reader", password="pw") as client,
    ):
        door = Pretender(tmp_path, client)

        def counts(counter: str, wanted: int) -> None:
            home.wait_for(lambda: home.state(f"counter.{counter}") == str(wanted), 10, f"{counter} is not {wanted}")

        def stays(counter: str, wanted: int) -> None:
            time.sleep(3.5)  # more than the two seconds that all wait for
            assert home.state(f"counter.{counter}") == str(wanted)

        # -- what changes all the time is no attribute
        home.wait_for(lambda: home.attributes("sensor.front_door_last_person").get("last_person") == "Sam", 10)
        home.wait_for(lambda: home.state("binary_sensor.front_door_connection") == "on", 10)
        shown = home.attributes("sensor.front_door_last_person")
        assert (shown["unknown_count"], shown["present"], shown["last_seen"]) == (0, [], None)
        assert "analyzed_fps" not in shown and "dropped_frames" not in shown
        assert home.state("sensor.front_door_dropped_frames") == "7"

        # -- somebody known: no repeat counts, though it came after others and after a blip; not one of many is missed
        for visit in ("v1", "v2"):
            door.event("recognized", visit)
        counts("known", 2)
        for visit in ("v1", "v2", "v1"):
            door.event("recognized", visit)
        door.blip(door.online)
        for visit in ("v1", "v2", "v3", "v4", "v5", "v6", "v7"):
            door.event("recognized", visit)
        door.event("recognized", "v8", late=True)
        counts("known", 7)
        face = home.attributes("event.front_door_face")
        assert (face["visit_id"], face["score"], face["recent_events"][-1]) == ("v7", 0.9, "v7-2")

        # -- a stranger: one run for the visit, whatever breaks
        door.state(1)
        door.event("unknown", "s1")
        door.blip(door.camera)
        counts("lingering", 1)
        door.blip(door.camera)
        door.blip(door.online)
        door.event("unknown", "s1")
        stays("lingering", 1)
        door.event("ended", "s1")
        # -- strangers one after the other do not add up, and who gets a name is none
        door.event("unknown", "s2")
        time.sleep(1)
        door.event("unknown", "s3")
        door.event("ended", "s2")
        time.sleep(1)
        door.event("unknown", "s4")
        door.event("recognized", "s3")
        time.sleep(1)
        door.event("ended", "s4")
        door.event("unknown", "s5", late=True)
        stays("lingering", 1)
        # -- each of those that linger counts, not one whose end was missed
        door.event("unknown", "s6")
        door.event("unknown", "s7")
        counts("lingering", 3)
        door.event("unknown", "s8")
        time.sleep(1.5)
        door.blip(door.camera)  # away just when the two seconds are over
        counts("lingering", 4)
        door.event("unknown", "s9")
        door.state(0)
        stays("lingering", 4)

        # -- a camera that is dead when it is switched on
        door.enabled(False)
        door.camera(False)
        stays("offline", 0)
        door.enabled(True)
        counts("offline", 1)
        stays("offline", 1)
        door.camera(True)
        door.blip(door.camera)
        stays("offline", 1)

        # -- by hand, and when the camera leaves
        before = int(str(home.state("counter.known")))  # s3 was recognized too
        for each in [each["entity_id"] for each in home.states() if each["entity_id"].startswith("automation.")]:
            home.service("automation", "trigger", entity_id=each)
        for counter, wanted in (("known", before + 1), ("lingering", 5), ("offline", 2)):
            counts(counter, wanted)
        door.announce([])
        home.wait_for(lambda: home.state("event.front_door_face") is None, 10)
        # -- what has left is not told again: Home Assistant would warn of each
        door.announce([])
        home.stop()
        home.start()
        home.wait_for(lambda: home.state("binary_sensor.camwatch_test_running") == "on", 60)
        door.announce([])
        time.sleep(1)
        told = [line for line in home.log.splitlines() if "WARNING" in line or "ERROR" in line]
        assert not [line for line in told if "camwatch" in line or "emplate" in line or "front_door" in line]


def recognized(subscriber: Subscriber, topic: str) -> list[str]:
    """Visits that got a name, as told on a topic."""
    told = [json.loads(message.payload) for message in subscriber.on(topic)]
    return list(dict.fromkeys(each["visit_id"] for each in told if each["event_type"] == "recognized"))


def test_everything_a_home_does_with_it(tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port):
    broker = mosquitto(users={"camwatch": "hunter2", "ha": "pw", "reader": "pw"}, acl=ACL, persistence=True)
    cameras = rtsp_server({"/garden": made_scenes.stranger_720p})
    config = configuration(
        tmp_path,
        broker,
        made_scenes.faces,
        # a recording that is not repeated: one visit for each start
        {"front_door": {"source": str(made_scenes.sam_1080p)}, "garden": {"source": cameras.url("/garden")}},
        free_port,
    )
    config["events"] |= {"max_live_age": "3s", "snapshots": True}
    with (
        HomeAssistant(
            broker, username="ha", password="pw", automations=yaml.safe_dump(AUTOMATIONS), blueprints=BLUEPRINTS
        ) as home,
        Subscriber(broker, username="reader", password="pw") as seen,
    ):
        # -- they appear, and change with visits
        running = daemon(config)
        running.wait_ready()
        home.wait_for(lambda: home.state("binary_sensor.front_door_occupancy") == "on", 60)
        home.wait_for(lambda: home.attributes("event.front_door_face").get("event_type") == "recognized", 30)
        face = home.attributes("event.front_door_face")
        assert (face["person"], face["camera"]) == ("Sam", "front_door")
        assert home.state("sensor.front_door_last_person") == "Sam"
        assert home.state("binary_sensor.camwatch_test_sam_present") == "on"
        assert home.state("sensor.camwatch_test_sam_last_camera") == "front_door"
        age = "(now() - states('sensor.camwatch_test_sam_last_seen') | as_datetime).seconds"
        assert home.template(f"{{{{ {age} < 60 }}}}") == "True"
        assert home.state("binary_sensor.camwatch_test_running") == "on"
        home.wait_for(lambda: home.state("image.front_door_last_face") not in (None, "unknown", "unavailable"), 10)
        assert home.picture("image.front_door_last_face")[:2] == b"\xff\xd8"
        device = "device_id('event.front_door_face')"
        assert home.template(f"{{{{ device_attr({device}, 'name') }}}}") == "Front door"
        service = f"device_attr({device}, 'via_device_id')"
        assert home.template(f"{{{{ device_attr({service}, 'name') }}}}") == "camwatch test"
        home.wait_for(lambda: home.attributes("event.garden_face").get("event_type") == "unknown", 60)
        assert home.attributes("event.garden_face")["person"] is None
        home.wait_for(lambda: home.attributes("event.garden_face").get("event_type") == "ended", 60)
        home.wait_for(lambda: home.state("counter.lingering") != "0", 30)

        # -- one run for the visit, and the recording's end is a camera offline
        seen.wait_for(lambda ms: any(e["event_type"] == "ended" and e["person"] for e in events(ms)), 60)
        home.wait_for(lambda: home.state("event.front_door_face") == "unavailable", 60)
        home.wait_for(lambda: home.state("counter.offline") == "1", 30)
        assert len(recognized(seen, "camwatch/test/event")) == 1
        assert home.state("counter.known") == "1"

        # -- the switch works though the camera is down, and is remembered over restarts of both
        assert home.state("switch.front_door_enabled") == "on"
        home.service("switch", "turn_off", entity_id="switch.garden_enabled")
        home.wait_for(lambda: home.state("binary_sensor.garden_connection") == "off", 15)
        running.wait_for(lambda: running.count("garden") == 0, 15, "the stream is still read")
        home.stop()
        home.start()
        home.wait_for(lambda: home.state("switch.garden_enabled") == "off", 60)
        home.wait_for(lambda: home.state("binary_sensor.camwatch_test_running") == "on", 30)
        running.wait_for(lambda: "Home Assistant has started" in running.log, 30)
        assert home.state("binary_sensor.camwatch_test_sam_present") == "off"

        # -- killed: nothing pretends to know
        os.kill(running.pid, signal.SIGKILL)
        for entity in ("binary_sensor.camwatch_test_sam_present", "switch.garden_enabled", "event.front_door_face"):
            home.wait_for(lambda entity=entity: home.state(entity) == "unavailable", 30)
        assert home.state("binary_sensor.camwatch_test_running") == "off"

        # -- an event that comes late starts nothing
        broker.stop()
        running.start()
        running.wait_for(lambda: running.log.count("front_door: this is Sam") == 2, 120)
        time.sleep(4)
        broker.start()
        seen.wait_for(lambda _: recognized(seen, "camwatch/test/event/late"), 60)
        home.wait_for(lambda: home.state("switch.garden_enabled") == "off", 60)
        home.service("switch", "turn_on", entity_id="switch.garden_enabled")
        home.wait_for(lambda: home.attributes("event.garden_face").get("event_type") == "unknown", 60)
        assert home.state("counter.known") == "1"

        # -- what leaves the configuration or the gallery leaves Home Assistant
        running.stop()
        del config["cameras"]["garden"]
        running.config.write_text(yaml.safe_dump(config))
        running.start()
        home.wait_for(lambda: home.state("event.garden_face") is None, 90)
        assert not [each["entity_id"] for each in home.states() if "garden" in each["entity_id"]]
        home.wait_for(lambda: home.state("binary_sensor.front_door_occupancy") is not None, 30)
        assert "Traceback" not in running.log
        assert "camwatch" not in "".join(line for line in home.log.splitlines() if "ERROR" in line)


def test_components_appear_and_leave_too(tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port):
    broker = mosquitto(users={"camwatch": "hunter2", "ha": "pw"}, acl=ACL)
    cameras = rtsp_server({"/front": made_scenes.sam_1080p})
    both = {"front_door": {"source": cameras.url("/front")}, "yard": {"source": cameras.url("/front")}}
    config = configuration(tmp_path, broker, made_scenes.faces, both, free_port)
    config["mqtt"]["discovery_style"] = "component"
    with HomeAssistant(broker, username="ha", password="pw") as home:
        running = daemon(config)
        running.wait_ready()
        home.wait_for(lambda: home.attributes("event.front_door_face").get("person") == "Sam", 60)
        home.wait_for(lambda: home.state("binary_sensor.camwatch_test_sam_present") == "on", 30)
        home.service("switch", "turn_off", entity_id="switch.yard_enabled")
        home.wait_for(lambda: home.state("binary_sensor.yard_connection") == "off", 15)
        assert home.state("sensor.yard_last_person") == "unavailable"

        running.stop()
        del config["cameras"]["yard"]
        running.config.write_text(yaml.safe_dump(config))
        running.start()
        home.wait_for(lambda: home.state("switch.yard_enabled") is None, 90)
        home.wait_for(lambda: home.state("binary_sensor.front_door_connection") == "on", 30)
