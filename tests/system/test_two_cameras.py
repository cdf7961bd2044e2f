"""Two real RTSP cameras, a real broker with a password, and every process killed once."""

import os
import signal
import time

import pytest

from tests.rigs.mosquitto import Subscriber
from tests.system.daemon import check_visits, configuration, events, kinds

pytestmark = [pytest.mark.system, pytest.mark.weights, pytest.mark.timeout(600)]

SAM = [("recognized", "Sam"), ("ended", "Sam")]
NOBODY = [("unknown", None), ("ended", None)]


@pytest.fixture
def setting(tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port):
    """Camera server with digest authentication, broker, subscriber and a running daemon."""
    cameras = rtsp_server({"/front": made_scenes.sam_1080p, "/garden": made_scenes.stranger_720p}, auth="digest")
    broker = mosquitto(users={"camwatch": "hunter2", "reader": "pw"}, persistence=True)
    config = configuration(
        tmp_path,
        broker,
        made_scenes.faces,
        {
            "front_door": {"source": cameras.url("/front"), "stall_timeout": "3s"},
            "garden": {"source": cameras.url("/garden"), "stall_timeout": "3s"},
        },
        free_port,
    )
    with Subscriber(broker, "camwatch/#", username="reader", password="pw", client_id="home") as subscriber:
        yield cameras, broker, subscriber, daemon(config)


def test_a_name_and_a_stranger_once_for_each_visit_then_a_clean_stop(setting):
    subscriber, daemon = setting[2:]
    daemon.wait_ready()
    subscriber.wait_for(
        lambda ms: kinds(ms, "front_door")[:4] == SAM * 2 and kinds(ms, "garden")[:4] == NOBODY * 2, timeout=90
    )
    messages = subscriber.messages
    check_visits(messages)
    assert {m.topic for m in messages} >= {
        "camwatch/test/status",
        "camwatch/test/camera/front_door/availability",
        "camwatch/test/camera/front_door/state",
        "camwatch/test/camera/front_door/image",
        "camwatch/test/camera/front_door/enabled",
        "camwatch/test/person/sam/state",
    }
    assert not [m for m in messages if m.topic.endswith("/late")]
    first = events(messages)[0]
    assert (first["node"], first["schema"], first["late"]) == ("test", 1, False)

    metrics = daemon.metrics()
    for camera in ("front_door", "garden"):
        outcomes = sum(v for k, v in metrics.items() if k.startswith(f'camwatch_frames_total{{camera="{camera}"'))
        captured = metrics[f'camwatch_frames_captured_total{{camera="{camera}"}}']
        assert 0 <= captured - outcomes <= 4
        assert metrics[f'camwatch_camera_up{{camera="{camera}"}}'] == 1
    assert metrics["camwatch_gallery_photos"] == 3
    assert metrics['camwatch_event_latency_seconds_count{event_type="recognized"}'] >= 2
    assert daemon.get("/healthz")[0] == 200

    code, seconds = daemon.stop()
    assert code == 0
    assert seconds < 5
    assert subscriber.on("camwatch/test/status")[-1].payload == b"offline"
    assert "Traceback" not in daemon.log
    for secret in ("hunter2", "secret", "cam:"):
        assert secret not in daemon.log


def test_killed_processes_come_back_and_nothing_is_lost_or_doubled(setting):
    subscriber, daemon = setting[2:]
    daemon.wait_ready()
    subscriber.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front_door"), timeout=60)
    for name in ("reader_main", "inference_main"):
        child = daemon.child(name)
        os.kill(child.pid, signal.SIGKILL)
        daemon.wait_for(
            lambda name=name, pid=child.pid: daemon.has_child(name, but_not=pid),
            what=f"{name} did not come back",
        )
    seen = len(kinds(subscriber.messages, "front_door"))
    subscriber.wait_for(lambda ms: len(kinds(ms, "front_door")) >= seen + 4, timeout=120)
    subscriber.wait_for(lambda ms: kinds(ms, "garden").count(("unknown", None)) >= 2, timeout=60)
    check_visits(subscriber.messages)
    assert {person for _, person in kinds(subscriber.messages, "garden")} == {None}
    metrics = daemon.metrics()
    assert metrics['camwatch_process_restarts_total{process="inference"}'] == 1
    assert metrics['camwatch_process_restarts_total{process="reader"}'] >= 1
    code, seconds = daemon.stop()
    assert (code, seconds < 5) == (0, True)


def test_one_stay_is_one_visit_though_every_process_under_it_is_killed(
    tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port
):
    cameras = rtsp_server({"/front": made_scenes.sam_always})
    broker = mosquitto()
    config = configuration(
        tmp_path, broker, made_scenes.faces, {"front_door": {"source": cameras.url("/front")}}, free_port
    )
    analyzed = 'camwatch_frames_total{camera="front_door",outcome="analyzed"}'
    with Subscriber(broker, "camwatch/#") as subscriber:
        process = daemon(config)
        process.wait_ready()
        subscriber.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front_door"), timeout=60)
        for name in ("inference_main", "reader_main"):
            before = process.metrics()[analyzed]
            os.kill(process.child(name).pid, signal.SIGKILL)
            process.wait_for(lambda before=before: process.metrics()[analyzed] > before + 25, 90, "no frames any more")
        assert kinds(subscriber.messages, "front_door") == [("recognized", "Sam")]
        metrics = process.metrics()
        usable, skipped = (
            metrics[f'camwatch_faces_total{{camera="front_door",use="{use}"}}'] for use in ("usable", "skipped")
        )
        assert skipped > usable > 2, "main tells inference whom it knows"
        code, seconds = process.stop()
        assert (code, seconds < 5) == (0, True)
        subscriber.wait_for(lambda ms: kinds(ms, "front_door") == SAM, timeout=5)


@pytest.mark.parametrize("after", [0.3, 1.0, 3.0])
def test_a_stop_while_it_starts_is_a_clean_stop(
    tmp_path, made_scenes, mosquitto, daemon, free_port, after
):
    config = configuration(
        tmp_path, mosquitto(), made_scenes.faces, {"front_door": {"source": "rtsp://127.0.0.1:9/x"}}, free_port
    )
    process = daemon(config)
    time.sleep(after)
    code, seconds = process.stop()
    # Before Python has come to our first line, the signal's own way of ending a process is all there can be.
    assert code == 0 or (after < 1 and code == -signal.SIGTERM)
    assert seconds < 5
    assert "Traceback" not in process.log


def test_the_broker_is_away_during_visits_then_every_event_arrives_the_old_ones_late(setting):
    broker, subscriber, daemon = setting[1:]
    daemon.wait_ready()
    subscriber.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front_door"), timeout=60)
    broker.stop()
    away = time.time()
    daemon.wait_for(lambda: daemon.metrics()["camwatch_outbox_events"] >= 4, 90, "no events while the broker is away")
    daemon.wait_for(lambda: daemon.metrics()["camwatch_outbox_oldest_seconds"] >= 12, 30)
    broker.start()
    daemon.wait_for(lambda: daemon.metrics()["camwatch_outbox_events"] == 0, 60, "the outbox is not emptied")
    subscriber.wait_for(lambda ms: [m for m in ms if m.topic == "camwatch/test/event/late"], timeout=20)
    check_visits(subscriber.messages)
    late = events([m for m in subscriber.messages if m.topic == "camwatch/test/event/late"])
    assert all(event["late"] for event in late)
    assert all(event["decided_at"] for event in late)
    live = [m for m in subscriber.messages if m.topic == "camwatch/test/event" and m.time > away]
    assert all(not event["late"] for event in events(live))
    assert subscriber.on("camwatch/test/status")[-1].payload == b"online"
    assert daemon.stop()[0] == 0


def test_main_killed_ends_its_children_and_the_next_one_ends_the_open_visits(setting):
    subscriber, daemon = setting[2:]
    daemon.wait_ready()
    subscriber.wait_for(lambda ms: ("recognized", "Sam") in kinds(ms, "front_door"), timeout=60)
    children = daemon.children()
    daemon.signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [child for child in children if child.is_running()]
    subscriber.wait_for(lambda ms: [m for m in ms if m.topic.endswith("/status")][-1].payload == b"offline", timeout=60)
    daemon.start()
    daemon.wait_ready()
    subscriber.wait_for(
        lambda ms: [e for e in events(ms) if e.get("reason") == "restart" and e["camera"] == "front_door"], timeout=60
    )
    check_visits(subscriber.messages)
    assert {e["event_type"] for e in events(subscriber.messages) if e.get("reason") == "restart"} == {"ended"}
    assert daemon.stop()[0] == 0
