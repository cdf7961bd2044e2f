"""A real Prometheus on a running daemon: the rules load, every panel of the dashboard has data, frames add up."""

import json
from pathlib import Path

import pytest

from tests.rigs.mosquitto import Subscriber
from tests.rigs.prometheus import PROMETHEUS_MISSING, Prometheus
from tests.system.daemon import configuration, kinds

pytestmark = [
    pytest.mark.system,
    pytest.mark.weights,
    pytest.mark.timeout(300),
    pytest.mark.skipif(PROMETHEUS_MISSING is not None, reason=str(PROMETHEUS_MISSING)),
]

CONFIG = Path(__file__).parents[2] / "config"
RULES = CONFIG / "prometheus" / "camwatch.rules.yml"
VARIABLES = {"$__rate_interval": "10s", "$__interval": "10s", "$instance": ".*", "$camera": ".*"}


def queries() -> list[tuple[str, str]]:
    """Title of the panel and expression of every query of the dashboard."""
    panels = json.loads((CONFIG / "grafana" / "camwatch.json").read_text())["panels"]
    found = []
    for panel in panels:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found.append((panel["title"], expression))
    return found


def test_every_query_has_data_and_frames_add_up(tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port):
    cameras = rtsp_server({"/front": made_scenes.sam_1080p, "/garden": made_scenes.stranger_720p})
    broker = mosquitto(users={"camwatch": "hunter2", "reader": "pw"})
    both = {name: {"source": cameras.url(f"/{path}")} for name, path in (("front_door", "front"), ("garden", "garden"))}
    running = daemon(configuration(tmp_path, broker, made_scenes.faces, both, free_port))
    with (
        Prometheus(f"127.0.0.1:{free_port}", rules=RULES) as prometheus,
        Subscriber(broker, "camwatch/#", username="reader", password="pw") as seen,
    ):
        running.wait_ready()
        seen.wait_for(lambda ms: len(kinds(ms, "front_door")) >= 4 and len(kinds(ms, "garden")) >= 4, 90)
        for title, expression in queries():
            running.wait_for(lambda expression=expression: prometheus.query(expression), 10, f"no data for {title}")

        rules = prometheus.rules()
        assert len(rules) >= 10 and {rule["health"] for rule in rules} == {"ok"}
        assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []

        captured = "sum by (camera) (camwatch_frames_captured_total)"
        flights = prometheus.query_range(f"{captured} - sum by (camera) (camwatch_frames_total)", seconds=30)
        assert {series["metric"]["camera"] for series in flights} == {"front_door", "garden"}
        for series in flights:
            assert all(0 <= float(value) <= 12 for _, value in series["values"]), series
