"""Rules and dashboard on real data: a real Prometheus scrapes the real daemon, which watches real video."""

import json
import math
import re
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rigs.mosquitto import Subscriber
from tests.rigs.prometheus import PROMETHEUS_MISSING, Prometheus
from tests.system.daemon import Daemon, configuration, kinds

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config" / "prometheus" / "camwatch.rules.yml"
GRAFANA = ROOT / "config" / "grafana"
FPS = 15
RING = 4
"""Places in a camera's ring."""
PULSE = 1.0
"""Seconds for which inference gets no processor, again and again."""


@cache
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GRAFANA / "camwatch.json").read_text("utf-8"))
    return loaded


def panels() -> Iterator[dict[str, Any]]:
    """All of them, those in closed rows too, without the rows."""
    for panel in dashboard()["panels"]:
        yield from panel.get("panels", []) if panel["type"] == "row" else [panel]


def queries() -> Iterator[tuple[dict[str, Any], str]]:
    """Every query with its panel, the variables replaced as Grafana does it: all cameras, short windows."""
    values = {"$instance": ".*", "$camera": ".*", "$__rate_interval": "10s", "$__range": "1m"}
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel, re.sub(r"\$\w+", lambda match: values[match[0]], target["expr"])


def metrics_in(text: str) -> set[str]:
    """Our metrics that a text speaks of, histograms without the ending of their parts."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bcamwatch_\w+", text)}


# -- without a server


def test_rules_and_dashboard_speak_of_documented_metrics_and_all_are_shown() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(camwatch_\w+)`", page, re.MULTILINE))
    shown: set[str] = set()
    for panel, expression in queries():
        assert metrics_in(expression) <= documented, panel["title"]
        shown |= metrics_in(expression)
    assert shown == documented
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            assert metrics_in(rule["expr"]) <= documented, rule["alert"]


def test_every_alert_is_explained() -> None:
    page = (ROOT / "docs" / "grafana.md").read_text("utf-8")
    rules = [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]
    assert re.findall(r"^\| `(Camwatch\w+)`", page, re.MULTILINE) == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_panel_says_what_it_shows_in_which_unit() -> None:
    for panel in panels():
        title = panel["title"]
        assert len(panel["description"]) > 15, title
        if panel["type"] == "text":
            continue
        assert panel["fieldConfig"]["defaults"]["unit"], title
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), title
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], title
            assert panel["type"] == "table" or target["legendFormat"] != "__auto", title
            assert 'instance=~"$instance"' in target["expr"], f"{title} shows installations that were not chosen"
        if panel["type"] in ("timeseries", "state-timeline"):
            assert panel["options"]["legend"]["showLegend"], title


def test_legends_name_labels_that_the_query_leaves() -> None:
    for panel in panels():
        for target in panel.get("targets", []):
            kept = re.match(r".*?by \(([^)]*)\)", target["expr"])
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert kept is None or label in kept[1].split(", "), (panel["title"], label)


def test_bars_count_what_falls_between_two_of_them() -> None:
    # increase() over [$__interval] loses what happens between the last scrape of a step and the first of the next one.
    for panel in panels():
        for target in panel.get("targets", []):
            assert "$__interval" not in target["expr"], panel["title"]
            if panel.get("interval"):
                assert "[$__rate_interval]" in target["expr"], panel["title"]


def test_panels_do_not_lie_over_each_other() -> None:
    for group in (dashboard()["panels"], *(row["panels"] for row in rows())):
        places = [panel["gridPos"] for panel in group]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        for one, other in combinations(places, 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or below, (one, other)
    numbers = [panel["id"] for panel in [*rows(), *panels()]]
    assert len(set(numbers)) == len(numbers)


def rows() -> list[dict[str, Any]]:
    """The rows alone."""
    return [panel for panel in dashboard()["panels"] if panel["type"] == "row"]


def test_the_dashboard_can_be_linked_to_and_provisioned() -> None:
    assert dashboard()["uid"] == "camwatch"
    variables = {each["name"]: each for each in dashboard()["templating"]["list"]}
    assert list(variables) == ["datasource", "instance", "camera"]
    assert variables["datasource"]["type"] == "datasource"
    for name in ("instance", "camera"):
        assert variables[name]["multi"] and variables[name]["includeAll"]
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/camwatch.yml").read_text("utf-8"))["providers"]
    assert provider["type"] == "file"
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/camwatch.yml").read_text("utf-8"))["datasources"]
    [job] = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert source["jsonData"]["timeInterval"] == job["scrape_interval"], "rates over too short a window are empty"


# -- with a real Prometheus and the real daemon


def overload(process: Daemon, pulses: int = 3) -> None:
    """What too slow a machine does, on any machine: inference gets no processor for a while, again and again."""
    inference = process.child("inference_main")
    for _ in range(pulses):
        inference.send_signal(signal.SIGSTOP)
        time.sleep(PULSE)
        inference.send_signal(signal.SIGCONT)
        time.sleep(PULSE)


def scrapes(prometheus: Prometheus) -> dict[str, list[tuple[float, dict[str, float]]]]:
    """For each camera every scrape so far: the frames captured, and the frames by outcome."""
    captured, outcomes = (
        {
            (series["metric"]["camera"], series["metric"].get("outcome")): dict(series["values"])
            for series in prometheus.query(f"{name}[1h]")
        }
        for name in ("camwatch_frames_captured_total", "camwatch_frames_total")
    )
    found: dict[str, list[tuple[float, dict[str, float]]]] = defaultdict(list)
    for (camera, _), samples in captured.items():
        for at, value in sorted(samples.items()):
            counts = {str(kind): float(told[at]) for (name, kind), told in outcomes.items() if name == camera}
            assert len(counts) == 5, f"{camera}: a scrape without all outcomes"
            found[camera].append((float(value), counts))
    return found


@pytest.mark.skipif(PROMETHEUS_MISSING is not None, reason=str(PROMETHEUS_MISSING))
@pytest.mark.system
@pytest.mark.weights
@pytest.mark.timeout(300)
def test_rules_load_queries_answer_and_frames_add_up_at_every_scrape(
    tmp_path, made_scenes, rtsp_server, mosquitto, daemon, free_port
):
    cameras = rtsp_server({"/front": made_scenes.sam_always, "/garden": made_scenes.stranger_720p})
    broker = mosquitto()
    config = configuration(
        tmp_path,
        broker,
        made_scenes.faces,
        {
            "front_door": {"source": cameras.url("/front"), "fps": FPS, "motion": {"enabled": False}},
            "garden": {"source": cameras.url("/garden")},
            "attic": {"source": cameras.url("/no-such-path")},
            "cellar": {"source": cameras.url("/front"), "enabled": False},
        },
        free_port,
    )
    config["events"]["visit_gap"] = "1s"  # so that a visit's end comes soon
    with (
        Subscriber(broker, "camwatch/#") as subscriber,
        Prometheus(f"127.0.0.1:{free_port}", rules=[RULES], interval="500ms") as prometheus,
    ):
        process = daemon(config)
        process.wait_ready()
        overload(process)
        subscriber.wait_for(
            lambda ms: (
                ("recognized", "Sam") in kinds(ms, "front_door")
                and ("unknown", None) in kinds(ms, "garden")
                and ("ended", None) in kinds(ms, "garden")
            ),
            timeout=60,
        )
        prometheus.wait_scraped(20, timeout=30)
        time.sleep(1.5)  # the next scrapes have the last event

        # Rules are evaluated without an error; one camera is away, and the one that is switched off is not.
        rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
        assert len(rules) >= 10
        assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
        alerts = prometheus.api("alerts")["alerts"]
        away = [a["labels"]["camera"] for a in alerts if a["labels"]["alertname"] == "CamwatchCameraDown"]
        assert away == ["attic"]
        assert not [a for a in alerts if a["state"] == "firing"]

        # Every query of the dashboard finds something, and numbers where there must be some.
        empty, blank, count = [], [], 0
        for panel, expression in queries():
            count += 1
            found = prometheus.query(expression)
            rare = re.search(r"_events_total|_event_latency|_identification_score", expression)
            if not found:
                empty.append((panel["title"], expression))
            elif not rare and all(math.isnan(float(series["value"][1])) for series in found):
                blank.append((panel["title"], expression))
            if panel["type"] == "table":
                # Lines are put together by labels: one more, and each camera has several lines.
                assert all(series["metric"].keys() == {"instance", "camera"} for series in found), expression
        assert (empty, blank) == ([], [])
        assert count > 50

        # The variables offer this installation and all its cameras.
        for variable in dashboard()["templating"]["list"][1:]:
            query = variable["query"]["query"].replace("$instance", ".*")
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
            offered = {series["metric"][label] for series in prometheus.query(metric)}
            assert offered == ({f"127.0.0.1:{free_port}"} if label == "instance" else set(config["cameras"]))

        # No frame is lost without a name, whenever one looks.
        seen = scrapes(prometheus)
        assert seen.keys() == set(config["cameras"])
        for camera, samples in seen.items():
            assert len(samples) >= 20
            for captured, counts in samples:
                # Those of the ring, and those that came while inference stood still or was at a batch.
                assert 0 <= captured - sum(counts.values()) <= RING + (PULSE + 2) * FPS, (camera, captured, counts)
        captured, counts = seen["front_door"][-1]
        assert captured > 5 * FPS
        assert counts["dropped_busy"] >= FPS, "there was no overload"
        assert process.stop()[0] == 0
    assert "Traceback" not in process.log
