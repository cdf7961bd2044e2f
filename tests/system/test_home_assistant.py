"""A real Home Assistant beside a real broker and the daemon on real video."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        {"camera": "sensor.garden_last_person", "duration": {"seconds": 2}, "actions": counted("lingering")},
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
