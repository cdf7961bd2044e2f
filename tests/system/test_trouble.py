"""Cameras in trouble, and what the daemon says of it: once, clearly, while the others go on."""

import json

import pytest

from tests.rigs.mosquitto import Subscriber
from tests.system import scenes
from tests.system.daemon import configuration, kinds

pytestmark = [pytest.mark.system, pytest.mark.weights, pytest.mark.timeout(600)]


def availability(subscriber: Subscriber, camera: str) -> list[bytes]:
    return [m.payload for m in subscriber.on(f"camwatch/test/camera/{camera}/availability")]


def test_a_wrong_password_a_lost_camera_and_a_closed_one(
    tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port
):
    cameras = rtsp_server({"/front": made_scenes.sam_1080p, "/garden": made_scenes.stranger_720p}, auth="basic")
    broker = mosquitto()
    config = configuration(
        tmp_path,
        broker,
        made_scenes.faces,
        {
            "front_door": {"source": cameras.url("/front"), "stall_timeout": "2s"},
            "garden": {"source": cameras.url("/garden"), "stall_timeout": "2s"},
            "cellar": {"source": cameras.url("/front", user="cam:wrong-password")},
            "attic": {"source": cameras.url("/no-such-path")},
        },
        free_port,
    )
    with Subscriber(broker, "camwatch/#") as subscriber:
        process = daemon(config)
        process.wait_ready()
        subscriber.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front_door"), timeout=60)

        # A stall is a lost camera, after its timeout; the other one goes on; it comes back by itself.
        cameras.command("stall", mount="/garden")
        process.wait_for(lambda: availability(subscriber, "garden")[-1] == b"offline", 30, "the stall is not noticed")
        assert process.get("/healthz")[0] == 200
        cameras.command("resume", mount="/garden")
        process.wait_for(lambda: availability(subscriber, "garden")[-1] == b"online", 60, "it does not come back")

        # The privacy switch closes the stream.
        subscriber.publish("camwatch/test/camera/garden/enabled/set", b"OFF")
        process.wait_for(lambda: availability(subscriber, "garden")[-1] == b"offline", 20)
        process.wait_for(lambda: process.count("reader_main") == 3, 10)
        assert subscriber.on("camwatch/test/camera/garden/enabled")[-1].payload == b"OFF"
        subscriber.publish("camwatch/test/camera/garden/enabled/set", b"perhaps")

        metrics = process.metrics()
        assert metrics['camwatch_camera_reconnects_total{camera="cellar",reason="unauthorized"}'] >= 1
        assert metrics['camwatch_camera_reconnects_total{camera="attic",reason="not_found"}'] >= 1
        assert metrics['camwatch_camera_up{camera="front_door"}'] == 1
        assert process.stop()[0] == 0
    log = process.log
    assert log.count("cellar: no pictures") == 1
    assert log.count("attic: no pictures") == 1
    assert "must be ON or OFF" in log
    assert "wrong-password" not in log
    assert "Traceback" not in log


def test_a_person_is_enrolled_while_it_runs(tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port, footage):
    faces = tmp_path / "faces"
    (faces / "Kim").mkdir(parents=True)
    (faces / "Kim" / "kim.jpg").write_bytes(footage.path("0-f15-hao-ph.jpg").read_bytes())
    cameras = rtsp_server({"/garden": made_scenes.stranger_720p})
    broker = mosquitto()
    config = configuration(tmp_path, broker, faces, {"garden": {"source": cameras.url("/garden")}}, free_port)
    with Subscriber(broker, "camwatch/#") as subscriber:
        process = daemon(config)
        process.wait_ready()
        subscriber.wait_for(lambda ms: ("unknown", None) in kinds(ms, "garden"), timeout=60)
        woman = scenes.frames_of(footage.path("WolfgangLanger_Pexels.mp4"))
        scenes.stills(faces, "Zoë", [woman[340], woman[370], woman[400]])
        (faces / "Zoë" / "broken.jpg").write_bytes(b"this is no picture")
        subscriber.wait_for(lambda ms: ("recognized", "Zoë") in kinds(ms, "garden"), timeout=60)
        assert process.metrics()["camwatch_gallery_people"] == 2
        state = json.loads(subscriber.on("camwatch/test/person/zoe/state")[-1].payload)
        assert (state["person"], state["present"], state["last_camera"]) == ("Zoë", True, "garden")
        assert process.log.count("broken.jpg") == 1
        assert process.stop()[0] == 0
