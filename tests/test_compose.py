"""compose.yml and what it mounts, as far as they can be tested without a container engine."""

import contextlib
import importlib.metadata
import importlib.util
import io
import os
import re
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from camwatch.config.model import load
from camwatch.tools.check import check
from tests.rigs.ports import free_port
from tests.test_docker import COMPOSE, DOCKER, ROOT, SERVICES, UID, instructions, script, stages

LOCAL = Path("docker/local")
"""What docker/setup.sh makes; all else that compose.yml mounts is in the repository."""


def test_every_image_has_a_version() -> None:
    base = next(rest for word, rest in instructions() if word == "ARG")
    images = [service["image"] for service in SERVICES.values()] + [base.removeprefix("BASE=")]
    for image in images:
        assert re.search(r":v?\d+\.\d+", image), image


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_only_the_rights_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert service.get("user", str(UID)).split(":")[0] not in ("0", "root")
    assert name == "camwatch" or service["healthcheck"]["test"]  # the image of camwatch has its own


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_shown_to_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), port


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(source, target, options) of its volumes."""
    parts = [(*volume.split(":"), "") for volume in service.get("volumes", [])]
    return [(part[0], part[1], part[2]) for part in parts]


def host_files() -> list[Path]:
    """What of this machine is mounted: binds and secrets."""
    binds = [Path(source) for service in SERVICES.values() for source, _, _ in mounts(service) if source[0] == "."]
    return binds + [Path(secret["file"]) for secret in COMPOSE["secrets"].values()]


def test_what_is_mounted_exists() -> None:
    """A bind of a file that is missing becomes an empty folder, made by root."""
    assert len(host_files()) > 6
    for path in host_files():
        assert path.is_relative_to(LOCAL) or (ROOT / path).exists(), path
    volumes = {source for service in SERVICES.values() for source, _, _ in mounts(service) if source[0] != "."}
    assert volumes == set(COMPOSE["volumes"])


def test_files_of_this_machine_are_mounted_for_reading() -> None:
    for name, service in SERVICES.items():
        for source, target, options in mounts(service):
            assert source[0] != "." or options == "ro", f"{name}: {target}"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A copy of docker/, set up, under a repository of its own."""
    shutil.copytree(DOCKER, tmp_path / "docker", ignore=shutil.ignore_patterns("local"))
    subprocess.run(["/bin/sh", str(tmp_path / "docker/setup.sh")], check=True, capture_output=True)
    return tmp_path


def test_the_set_up_makes_what_is_mounted_and_nobody_else_can_read_it(made: Path) -> None:
    wanted = {path.name for path in host_files() if path.is_relative_to(LOCAL)}
    local = made / LOCAL
    assert {path.name for path in local.iterdir()} == wanted
    assert stat.S_IMODE(local.stat().st_mode) == 0o700
    # A container's user is another one than who made them.
    assert {stat.S_IMODE(path.stat().st_mode) for path in local.iterdir()} == {0o644}


def test_the_set_up_leaves_what_is_there(made: Path) -> None:
    local = made / LOCAL
    (local / "camwatch.yml").write_text("mine: !secret http_token")
    before = {path.name: path.read_bytes() for path in local.iterdir()}
    again = subprocess.run(["/bin/sh", str(made / "docker/setup.sh")], check=True, capture_output=True, text=True)
    assert again.stdout == ""
    assert {path.name: path.read_bytes() for path in local.iterdir()} == before


def test_a_set_up_from_before_there_was_a_token_gets_one_and_is_told_where_it_goes(made: Path) -> None:
    local = made / LOCAL
    (local / "http_token").unlink()
    (local / "camwatch.yml").write_text("mine")
    (local / "secrets.yaml").write_text("mqtt_password: mine\n")
    again = subprocess.run(["/bin/sh", str(made / "docker/setup.sh")], check=True, capture_output=True, text=True)
    secrets = yaml.safe_load((local / "secrets.yaml").read_text("utf-8"))
    assert secrets == {"mqtt_password": "mine", "http_token": (local / "http_token").read_text("utf-8")}
    assert again.stdout.count("\n") == 1
    assert "token: !secret http_token" in again.stdout
    (local / "http_token").unlink()
    subprocess.run(["/bin/sh", str(made / "docker/setup.sh")], check=True, capture_output=True)
    assert (local / "http_token").read_text("utf-8") == secrets["http_token"]


def test_passwords_are_random_and_the_broker_knows_that_of_camwatch(made: Path) -> None:
    secrets = yaml.safe_load((made / LOCAL / "secrets.yaml").read_text("utf-8"))
    lines = (made / LOCAL / "mosquitto_users").read_text("utf-8").splitlines()
    users = dict(line.split(":") for line in lines)
    assert users["camwatch"] == secrets["mqtt_password"]
    token, grafana = ((made / LOCAL / name).read_text("utf-8") for name in ("http_token", "grafana_admin_password"))
    assert token == secrets["http_token"]
    passwords = {*users.values(), token, grafana}
    assert len(passwords) == 4
    assert all(len(password) == 24 for password in passwords)


def test_the_example_is_a_good_configuration(made: Path) -> None:
    """With the files where compose.yml mounts them; only the gallery is not in a volume here."""
    file = made / LOCAL / "camwatch.yml"
    faces = made / "faces"
    (faces / "Ann").mkdir(parents=True)
    (faces / "Ann" / "1.jpg").write_bytes(b"a photo")
    text = file.read_text("utf-8").replace("/var/lib/camwatch/", f"{made}/")
    assert str(faces) in text
    file.write_text(text, "utf-8")
    err = io.StringIO()
    assert check(file, probe=False, out=io.StringIO(), err=err) == 0
    assert "no problems, 1 camera" in err.getvalue()


def test_the_example_fits_compose(made: Path) -> None:
    config = load(made / LOCAL / "camwatch.yml")
    camwatch = SERVICES["camwatch"]
    targets = {target: source for source, target, _ in mounts(camwatch)}
    assert {str(config.recognition.faces), str(config.events.state)} < set(targets)
    assert "/etc/camwatch/camwatch.yml" in targets  # what the image's CMD names
    assert camwatch["secrets"] == [{"source": "camwatch_secrets", "target": "/etc/camwatch/secrets.yaml"}]
    assert config.mqtt.host in SERVICES
    assert config.http.host == "0.0.0.0"
    assert config.http.token is not None
    assert config.http.token.get_secret_value() == (made / LOCAL / "http_token").read_text("utf-8")
    assert camwatch["ports"] == [f"127.0.0.1:{config.http.port}:{config.http.port}"]


def test_prometheus_asks_camwatch_and_finds_its_rules() -> None:
    config = yaml.safe_load((DOCKER / "prometheus.yml").read_text("utf-8"))
    [job] = config["scrape_configs"]
    assert (job["job_name"], job["static_configs"]) == ("camwatch", [{"targets": ["camwatch:8470"]}])
    targets = [target for _, target, _ in mounts(SERVICES["prometheus"])]
    assert set(config["rule_files"]) < set(targets)
    assert job["authorization"] == {"credentials_file": "/run/secrets/http_token"}
    assert SERVICES["prometheus"]["secrets"] == ["http_token"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed: apt-get install prometheus")
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """With the rules, from where they are here."""
    text = (DOCKER / "prometheus.yml").read_text("utf-8")
    for source, target, _ in mounts(SERVICES["prometheus"]):
        if target.endswith(".rules.yml"):
            text = text.replace(target, str(ROOT / source))
    assert str(ROOT) in text
    (tmp_path / "token").write_text("0123456789abcdef")
    text = text.replace("/run/secrets/http_token", str(tmp_path / "token"))
    (tmp_path / "prometheus.yml").write_text(text, "utf-8")
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_for_gpus_is_pinned_too() -> None:
    """What TensorFlow asks for with CUDA, which constraints.txt has not."""
    pinned = {line.split("==")[0] for line in (DOCKER / "constraints-gpu.txt").read_text("utf-8").splitlines()}
    asked = [line for line in importlib.metadata.requires("tensorflow") or [] if "and-cuda" in line]
    assert asked
    assert {script("requirements").name(line) for line in asked} <= pinned


def provisioned(kind: str) -> list[dict[str, Any]]:
    """Entries of Grafana's provisioning files, `$NAME` taken from the environment that compose.yml gives it."""
    environment = SERVICES["grafana"]["environment"]
    found: list[dict[str, Any]] = []
    for file in sorted((ROOT / "config/grafana/provisioning" / kind).glob("*.y*ml")):
        text = re.sub(r"\$\{?([A-Z_]+)\}?", lambda match: environment[match[1]], file.read_text("utf-8"))
        found += yaml.safe_load(text)["datasources" if kind == "datasources" else "providers"]
    assert found
    return found


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    assert [source["url"] for source in provisioned("datasources")] == ["http://prometheus:9090"]
    folders = [provider["options"]["path"] for provider in provisioned("dashboards")]
    targets = {target for _, target, _ in mounts(SERVICES["grafana"])}
    assert any(f"{folder}/camwatch.json" in targets for folder in folders)


def test_grafana_asks_nobody_outside() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert not any("PASSWORD" in key and not key.endswith("__FILE") for key in environment)


def test_the_gpu_file_changes_the_image_and_its_target_together() -> None:
    over = yaml.safe_load((DOCKER / "gpu.yml").read_text("utf-8"))["services"]["camwatch"]
    assert over["build"] == {"target": "gpu"}
    assert over["image"] != SERVICES["camwatch"]["image"]
    assert "gpu" in stages()


# ---- the broker


@pytest.mark.skipif(
    not (shutil.which("mosquitto") and shutil.which("mosquitto_passwd")),
    reason="mosquitto is not installed: apt-get install mosquitto",
)
def test_the_broker_lets_in_whom_it_should(made: Path) -> None:
    """The real one, with the configuration and the start script of compose.yml; only places are changed."""
    mqtt = pytest.importorskip("paho.mqtt.client")
    port = free_port()
    folder = made / "broker"
    (folder / "data").mkdir(parents=True)
    places = {
        "/mosquitto/config": str(folder),
        "/mosquitto/data": str(folder / "data"),
        "/run/secrets": str(made / LOCAL),
        "/tmp/users": str(folder / "users"),
        "listener 1883": f"listener {port} 127.0.0.1" + ("\nuser root" if os.geteuid() == 0 else ""),
    }
    for name in ("mosquitto.conf", "start.sh"):
        text = (DOCKER / "mosquitto" / name).read_text("utf-8")
        for place, here in places.items():
            text = text.replace(place, here)
        (folder / name).write_text(text, "utf-8")
    users = dict(line.split(":") for line in (made / LOCAL / "mosquitto_users").read_text("utf-8").splitlines())

    def answer(name: str | None, password: str | None) -> str:
        codes: list[str] = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_connect = lambda client, data, flags, code, properties: codes.append(str(code))
        if name:
            client.username_pw_set(name, password)
        client.connect("127.0.0.1", port)
        deadline = time.monotonic() + 5
        while not codes and time.monotonic() < deadline:
            client.loop(0.1)
        client.disconnect()
        client.loop(0.1)
        return codes[0]

    broker = subprocess.Popen(["/bin/sh", str(folder / "start.sh")], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert broker.poll() is None, broker.stderr and broker.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for name, password in users.items():
            assert answer(name, password) == "Success"
        assert answer(None, None) == "Not authorized"
        assert answer("camwatch", "wrong") == "Not authorized"
        if tool := shutil.which("mosquitto_sub"):  # the health check of compose.yml counts on this status
            command = [tool, "-p", str(port), "-t", "health", "-W", "3"]
            assert subprocess.run(command, capture_output=True, check=False).returncode == 5
        hashed = (folder / "users").read_text("utf-8")
        assert not any(password in hashed for password in users.values())
        assert stat.S_IMODE((folder / "users").stat().st_mode) == 0o600
    finally:
        broker.terminate()
        broker.communicate(timeout=10)
