"""The exposition as Prometheus' own parser reads it, and the HTTP answers."""

import os
import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from camwatch.errors import InputError
from camwatch.service.health import Verdict
from camwatch.service.histogram import FRAMES, Histogram
from camwatch.service.http_server import HttpServer
from camwatch.service.metrics import REASONS, USES, metrics_app
from camwatch.service.ring import Counter, FrameRing, create_ring
from camwatch.service.telemetry import Telemetry
from tests.rigs.planes import grey

SLOT = 64 * 64 * 3


class Served:
    """A telemetry behind a real HTTP server."""

    def __init__(self, ring: FrameRing) -> None:
        self.telemetry = Telemetry({"front": ring})
        self.verdict, self.reason = Verdict(), None
        self.server = HttpServer(
            "127.0.0.1",
            0,
            metrics=metrics_app(self.telemetry),
            health=lambda: self.verdict,
            ready=lambda: self.reason,
        )

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def samples(self) -> dict[tuple[str, ...], float]:
        _, text = self.get("/metrics")
        families = text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples]
        return {(s.name, *(f"{k}={v}" for k, v in sorted(s.labels.items()))): s.value for s in samples}


@pytest.fixture
def served():
    fd = create_ring("front", slot_bytes=SLOT)
    ring = FrameRing(fd, "front", slot_bytes=SLOT)
    served = Served(ring)
    yield served
    served.server.close()
    ring.close()
    os.close(fd)


def test_captured_frames_are_the_sum_of_outcomes_and_those_in_flight(served):
    ring = served.telemetry.cameras["front"].ring
    ring.add(Counter.IDLE, 2)
    for _ in range(3):
        ring.write(grey(0, 4, 4), captured_at=0, monotonic=0, pts=None)
    ring.take(1)
    ring.add(Counter.ANALYZED)
    got = served.samples()
    outcomes = {k[2]: v for k, v in got.items() if k[0] == "camwatch_frames_total"}
    assert outcomes == {
        "outcome=analyzed": 1,
        "outcome=idle": 2,
        "outcome=dropped_busy": 1,
        "outcome=dropped_stale": 0,
        "outcome=decode_error": 0,
    }
    assert got[("camwatch_frames_captured_total", "camera=front")] == sum(outcomes.values()) + 1


def test_every_metric_of_the_contract_is_there(served):
    t = served.telemetry
    t.latency("recognized", 0.4)
    t.score("recognized", 0.8)
    t.cameras["front"].reconnects["timeout"] += 1
    t.cameras["front"].faces["usable"] += 1
    t.cameras["front"].events["ended"] += 1
    names = {key[0] for key in served.samples()}
    for name in (
        "camwatch_camera_up", "camwatch_camera_enabled", "camwatch_camera_reconnects_total",
        "camwatch_stage_seconds_bucket",
        "camwatch_event_latency_seconds_sum", "camwatch_batch_frames_count", "camwatch_faces_total",
        "camwatch_events_total", "camwatch_visits_active", "camwatch_identification_score_bucket",
        "camwatch_gallery_people", "camwatch_gallery_photos", "camwatch_threshold", "camwatch_mqtt_connected",
        "camwatch_outbox_events", "camwatch_outbox_oldest_seconds", "camwatch_process_restarts_total",
        "camwatch_build_info",
        "camwatch_config_last_reload_successful",
    ):  # fmt: skip
        assert name in names


def test_what_has_not_happened_yet_counts_0(served):
    served.telemetry.cameras["front"].events["ended"] += 1
    samples = {key: value for key, value in served.samples().items() if "front" in str(key)}
    for name, label, values in (
        ("camwatch_events_total", "event_type", {"recognized": 0, "unknown": 0, "ended": 1}),
        ("camwatch_faces_total", "use", dict.fromkeys(USES, 0)),
        ("camwatch_camera_reconnects_total", "reason", dict.fromkeys(REASONS, 0)),
    ):
        found = {key[2].removeprefix(f"{label}="): value for key, value in samples.items() if key[0] == name}
        assert found == values


def test_counters_go_on_over_the_death_of_a_child(served):
    t = served.telemetry
    life = Histogram()
    life.observe(0.02)
    t.child_stage("inference", "detect", life.to_list())
    t.batch_frames(Histogram(FRAMES).to_list())
    t.capped_so_far({"candidates": 3, "faces": 0})
    t.end_life("inference")
    t.capped_so_far({"candidates": 2, "faces": 1})
    t.restarted("inference")
    t.child_stage("inference", "detect", life.to_list())
    got = served.samples()
    assert got[("camwatch_stage_seconds_count", "stage=detect")] == 2
    assert got[("camwatch_stage_seconds_bucket", "le=0.01", "stage=detect")] == 0
    assert got[("camwatch_stage_seconds_bucket", "le=0.025", "stage=detect")] == 2
    assert got[("camwatch_process_restarts_total", "process=inference")] == 1
    assert got[("camwatch_capped_total", "what=candidates")] == 5
    assert got[("camwatch_capped_total", "what=faces")] == 1


def test_counters_never_run_backwards_over_a_stop_that_was_asked_for(served):
    t = served.telemetry
    life = Histogram()
    for _ in range(5):
        life.observe(0.02)
    t.child_stage("reader front", "decode", life.to_list())
    t.end_life("reader front")
    t.child_stage("reader front", "decode", Histogram().to_list())
    got = served.samples()
    assert got[("camwatch_stage_seconds_count", "stage=decode")] == 5
    assert got[("camwatch_process_restarts_total", "process=reader")] == 0


def test_health_and_readiness_have_reasons(served):
    assert served.get("/healthz") == (200, "ok\n")
    served.verdict = Verdict(("front: frames have been waiting for 30 s",), ("garden: refused",))
    assert served.get("/healthz") == (503, "stuck\nfront: frames have been waiting for 30 s\nnote: garden: refused\n")
    assert served.get("/readyz") == (200, "ready\n")
    served.reason = "the networks are loading"
    assert served.get("/readyz") == (503, "the networks are loading\n")


def test_other_requests_are_refused_clearly(served):
    assert served.get("/admin")[0] == 404
    assert served.get("/metrics", method="POST")[0] == 405
    assert served.get("/../../etc/passwd")[0] == 404


def test_a_taken_port_is_one_clear_line(served):
    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{served.server.port}"):
        HttpServer(
            "127.0.0.1", served.server.port, metrics=metrics_app(served.telemetry), health=Verdict, ready=lambda: None
        )


def test_a_server_that_cannot_move_stays_where_it_is(served):
    old = served.server.port
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(InputError, match="cannot listen"):
        served.server.move("127.0.0.1", taken.getsockname()[1])
    assert served.get("/readyz")[0] == 200
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    served.server.move("0.0.0.0", free)
    assert served.server.port == free
    assert served.get("/readyz")[0] == 200
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", old), timeout=2)


def test_figures_follow_the_cameras(served):
    fd = create_ring("attic", slot_bytes=SLOT)
    attic = FrameRing(fd, "attic", slot_bytes=SLOT)
    front = served.telemetry.cameras["front"]
    front.events["recognized"] += 1
    served.telemetry.watch({"attic": attic, "front": front.ring})
    got = served.samples()
    assert got[("camwatch_events_total", "camera=front", "event_type=recognized")] == 1
    assert got[("camwatch_events_total", "camera=attic", "event_type=recognized")] == 0
    served.telemetry.watch({"attic": attic})
    assert not any("camera=front" in key for key in served.samples())
    served.telemetry.watch({})
    attic.close()
    os.close(fd)
