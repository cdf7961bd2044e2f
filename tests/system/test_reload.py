"""SIGHUP: what differs in the configuration is changed, the rest of the daemon goes on."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rigs.mosquitto import Message, Mosquitto, Subscriber
from tests.system.daemon import Daemon, check_visits, configuration, kinds

pytestmark = [pytest.mark.system, pytest.mark.weights, pytest.mark.timeout(600)]


class Reloaded:
    """A daemon whose file is changed again and again."""

    def __init__(self, process: Daemon, config: dict[str, Any]) -> None:
        self.process, self.config = process, config

    def reload(self, line: str = "the configuration was read again") -> str:
        """Write the configuration, send SIGHUP, wait for this line; what was logged since."""
        before = len(self.process.log)
        self.process.config.write_text(yaml.safe_dump(self.config))
        self.process.signal(signal.SIGHUP)
        self.process.wait_for(lambda: line in self.process.log[before:], 30, line)
        return self.process.log[before:]

    def pids(self) -> dict[str, int]:
        """Of main, of inference, and of each camera's reader."""
        found = {"main": self.process.pid}
        for camera in self.config["cameras"]:
            seen: list[int | None] = []  # one look that finds it: a next one may miss a process that is there
            self.process.wait_for(lambda name=camera, seen=seen: self._look(name, seen), 30, f"no reader of {camera}")
            found[camera] = seen[-1] or 0
        found["inference"] = self.process.child("inference_main").pid
        return found

    def open_files(self) -> set[str]:
        """Files that children have open."""
        return {file.path for child in self.process.children() for file in child.open_files()}

    def _look(self, camera: str, seen: list[int | None]) -> bool:
        seen.append(self.reader(camera))
        return seen[-1] is not None

    def reader(self, camera: str) -> int | None:
        """The pid of a camera's reader."""
        reader = self.process.reader(camera)
        return None if reader is None else reader.pid


def last(subscriber: Subscriber, topic: str) -> bytes | None:
    found = subscriber.on(topic)
    return found[-1].payload if found else None


def retained(messages: list[Message], prefix: str) -> dict[str, bytes]:
    """The last value of each topic that is no event."""
    values = [m for m in messages if m.topic.startswith(prefix) and "/event" not in m.topic]
    return {message.topic: message.payload for message in values}


def test_what_differs_is_changed_and_the_rest_goes_on(
    tmp_path: Path,
    made_scenes: Any,
    rtsp_server: Any,
    mosquitto: Callable[..., Mosquitto],
    daemon: Callable[[dict[str, Any]], Daemon],
    free_port: int,
) -> None:
    cameras = rtsp_server({"/front": made_scenes.sam_1080p, "/garden": made_scenes.stranger_720p})
    broker = mosquitto()
    front = {"source": cameras.url("/front")}
    config = configuration(tmp_path, broker, made_scenes.faces, {"front": front}, free_port)
    with Subscriber(broker, "#") as subscriber:
        process = daemon(config)
        process.wait_ready()
        it = Reloaded(process, config)
        subscriber.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front"), timeout=60)
        first = it.pids()

        # A file that cannot be used changes nothing, and says where it is wrong.
        front["fps"] = "often"
        log = it.reload("goes on with the configuration it had")
        assert f"{process.config}:" in log and "cameras.front.fps" in log
        assert it.pids() == first
        assert process.metrics()["camwatch_config_last_reload_successful"] == 0

        # One camera's reader.
        front["fps"] = 4
        assert "front: its reader starts anew" in it.reload()
        process.wait_for(lambda: it.reader("front") not in (None, first["front"]), 30)
        second = it.pids()
        assert {**second, "front": 0} == {**first, "front": 0}
        assert process.metrics()["camwatch_config_last_reload_successful"] == 1

        # Rules alone: no process is touched.
        config["recognition"]["threshold"] = 0.5
        config["events"]["visit_gap"] = "3s"
        it.reload()
        process.wait_for(lambda: process.metrics()["camwatch_threshold"] == 0.5, 20)
        assert it.pids() == second

        # Another camera: the reader of the first one goes on, and so do its visits.
        config["cameras"]["garden"] = {"source": cameras.url("/garden")}
        assert "garden: new" in it.reload()
        third = it.pids()
        assert third["front"] == second["front"]
        subscriber.wait_for(lambda ms: ("unknown", None) in kinds(ms, "garden"), timeout=90)
        assert last(subscriber, "camwatch/test/camera/garden/availability") == b"online"
        announced = last(subscriber, "homeassistant/device/camwatch_test_camera_garden/config")
        assert announced and json.loads(announced)["components"]
        subscriber.publish("camwatch/test/camera/garden/enabled/set", b"OFF")
        process.wait_for(lambda: it.reader("garden") is None, 20, "the new camera's switch is not obeyed")

        # And it leaves: nothing of it stays at the broker or in the figures.
        del config["cameras"]["garden"]
        assert "garden: gone" in it.reload()
        for leaf in ("availability", "state", "enabled", "image"):
            subscriber.wait_for(lambda ms, leaf=leaf: last(subscriber, f"camwatch/test/camera/garden/{leaf}") == b"")
        assert last(subscriber, "homeassistant/device/camwatch_test_camera_garden/config") == b""
        assert not any("garden" in name for name in process.metrics())
        assert it.pids()["front"] == second["front"]

        # /metrics elsewhere.
        config["http"]["port"] = process.http_port = free_port + 1
        it.reload()
        process.wait_for(lambda: process.get("/readyz")[0] == 200, 20)
        check_visits(subscriber.messages)

        # Another broker: the old one is told that we left.
        other = mosquitto()
        config["mqtt"]["port"] = other.port
        it.reload()
        subscriber.wait_for(lambda ms: last(subscriber, "camwatch/test/status") == b"offline")
        with Subscriber(other, "#") as there:
            there.wait_for(lambda ms: last(there, "camwatch/test/camera/front/availability") == b"online", timeout=30)
            there.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front"), timeout=60)
            now = it.pids()
            assert now["main"] == first["main"] and now["front"] == second["front"]

            # Another node is another daemon, in the same main process.
            config["node"] = "other"
            it.reload("ready, watching")
            there.wait_for(lambda ms: last(there, "camwatch/other/status") == b"online", timeout=30)
            assert it.pids()["main"] == first["main"]

            # Nothing of the old one stays at the broker, a face least of all.
            there.wait_for(lambda ms: set(retained(ms, "camwatch/test/").values()) == {b""}, timeout=30)
            with Subscriber(other, "camwatch/#") as later:
                later.wait_for(lambda ms: last(later, "camwatch/other/status") == b"online")
                assert not [m.topic for m in later.messages if m.topic.startswith("camwatch/test/") and m.retain]
        assert process.stop()[0] == 0
    assert "Traceback" not in process.log


def test_networks_that_cannot_be_had_do_not_end_a_running_daemon(
    tmp_path: Path,
    made_scenes: Any,
    mosquitto: Callable[..., Mosquitto],
    daemon: Callable[[dict[str, Any]], Daemon],
    free_port: int,
) -> None:
    camera = {"source": str(made_scenes.sam_always), "loop": True}
    config = configuration(tmp_path, mosquitto(), made_scenes.faces, {"front": camera}, free_port)
    process = daemon(config)
    process.wait_ready()
    it = Reloaded(process, config)
    # Two in a row, the second before the first has failed: it goes back to the one that worked.
    config["engine"] = {"device": "gpu", "runtime": "tensorflow"}
    it.reload()
    config["engine"] = {"device": "gpu", "runtime": "jax"}
    it.reload("going back")
    process.wait_for(lambda: process.log.count("inference is ready") == 2, 90)
    assert process.metrics()["camwatch_config_last_reload_successful"] == 0
    before = process.metrics()['camwatch_frames_total{camera="front",outcome="analyzed"}']
    process.wait_for(lambda: process.metrics()['camwatch_frames_total{camera="front",outcome="analyzed"}'] > before, 20)
    assert process.stop()[0] == 0
    assert "Traceback" not in process.log


def test_another_scene_begins_anew_and_another_state_folder_forgets_no_switch(
    tmp_path: Path,
    made_scenes: Any,
    rtsp_server: Any,
    mosquitto: Callable[..., Mosquitto],
    daemon: Callable[[dict[str, Any]], Daemon],
    free_port: int,
) -> None:
    cameras = rtsp_server({"/front": made_scenes.sam_always, "/lane": made_scenes.stranger_720p})
    broker = mosquitto()
    front = {"source": cameras.url("/front")}
    config = configuration(tmp_path, broker, made_scenes.faces, {"front": front}, free_port)
    config["events"]["visit_gap"] = "60s"
    with Subscriber(broker, "#") as subscriber:
        process = daemon(config)
        process.wait_ready()
        it = Reloaded(process, config)
        subscriber.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front"), timeout=60)

        # The camera looks elsewhere: whoever was there has not stayed for the gap, and is not the one who is there now.
        front["source"] = cameras.url("/lane")
        it.reload()
        subscriber.wait_for(lambda ms: ("unknown", None) in kinds(ms, "front"), timeout=60)
        assert kinds(subscriber.messages, "front") == [("recognized", "Sam"), ("ended", "Sam"), ("unknown", None)]

        # Somebody switched it off, then the state moves: the camera stays off, and what left leaves the broker too.
        subscriber.publish("camwatch/test/camera/front/enabled/set", b"OFF")
        process.wait_for(lambda: it.reader("front") is None, 20)
        config["cameras"] = {"back": {"source": cameras.url("/lane")}, "front": front}
        it.reload()
        process.wait_for(lambda: it.reader("back") is not None, 30)
        subscriber.wait_for(lambda ms: last(subscriber, "camwatch/test/camera/back/availability") == b"online")
        del config["cameras"]["back"]
        config["events"]["state"] = str(tmp_path / "moved")
        it.reload("stopping, to begin again")
        config["recognition"]["threshold"] = 0.55
        assert "the history of visits stays in" in it.reload("ready, watching")
        process.wait_for(lambda: process.metrics()["camwatch_threshold"] == 0.55, 30, "the second SIGHUP got lost")
        subscriber.wait_for(lambda ms: last(subscriber, "camwatch/test/camera/front/enabled") == b"OFF")
        subscriber.wait_for(lambda ms: last(subscriber, "camwatch/test/camera/back/availability") == b"", timeout=30)
        assert it.reader("front") is None
        assert process.stop()[0] == 0
    assert "Traceback" not in process.log
