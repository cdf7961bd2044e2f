"""A real Home Assistant for tests: a process of its own on a free loopback port, with MQTT set up by its own dialog.

    with HomeAssistant(broker, username="ha", password="pw") as home:
        home.wait_for(lambda: home.state("binary_sensor.front_door_occupancy"), 10)

It is installed apart from us, by `make homeassistant` (`setup/homeassistant.py`), since it wants other versions of what
we use; `CAMWATCH_HASS` may name another `hass`. Its REST API: https://developers.home-assistant.io/docs/api/rest/.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rigs.ports import free_port

_ROOT = Path(__file__).parents[2]
_HASS = Path(os.environ.get("CAMWATCH_HASS") or _ROOT / ".homeassistant" / "bin" / "hass")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_CONFIGURATION = """\
homeassistant: {{name: test, latitude: 47.0, longitude: 8.0, elevation: 400, unit_system: metric, time_zone: UTC}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
config:
onboarding:
automation: !include automations.yaml
counter: {{known: , lingering: , offline: }}
logger: {{default: warning}}
"""

HOME_ASSISTANT_MISSING: str | None = (
    None if _HASS.is_file() else f"no Home Assistant at {_HASS}; install it with: make homeassistant"
)
"""Why `HomeAssistant` cannot run on this machine, or None."""


class HomeAssistant:
    """Runs from construction to `close`; counters `known`, `lingering` and `offline` are there for automations.

    Args:
        broker: Anything with `port`.
        username: Of Home Assistant at the broker.
        password: The same.
        automations: What `automations.yaml` is to hold.
        blueprints: A folder of automation blueprints, found there as `camwatch/FILE`.

    Raises:
        RuntimeError: It does not start; the message has the end of its log.
    """

    def __init__(
        self, broker: Any, *, username: str, password: str, automations: str = "[]\n", blueprints: Path | None = None
    ) -> None:
        """Configure, start, make an owner, connect it to the broker, then load the automations."""
        self._folder = Path(tempfile.mkdtemp(prefix="homeassistant-"))
        self._base = f"http://127.0.0.1:{free_port()}"
        self._token: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        port = self._base.rpartition(":")[2]
        (self._folder / "configuration.yaml").write_text(_CONFIGURATION.format(port=port))
        (self._folder / "automations.yaml").write_text("[]\n")
        if blueprints is not None:
            shutil.copytree(blueprints, self._folder / "blueprints" / "automation" / "camwatch")
        try:
            self.start()
            self._become_owner()
            self._connect(broker.port, username, password)
            # not before: triggers by MQTT do not find it later
            (self._folder / "automations.yaml").write_text(automations)
            self.service("automation", "reload")
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> str:
        """What it has said so far."""
        file = self._folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_HASS), "--config", str(self._folder), "--skip-pip"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": f"{_HASS.parent}:{os.environ.get('PATH', '')}"},
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._ask("GET", "/api/onboarding" if self._token is None else "/api/")
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"Home Assistant does not start:\n{self.log[-3000:]}")

    def stop(self) -> None:
        """End it in order."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """It is already running."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.close()

    def state(self, entity: str) -> str | None:
        """The state of an entity, None where there is no such entity."""
        return next((each["state"] for each in self.states() if each["entity_id"] == entity), None)

    def attributes(self, entity: str) -> dict[str, Any]:
        """The attributes of an entity, empty where there is no such entity."""
        return next((each["attributes"] for each in self.states() if each["entity_id"] == entity), {})

    def states(self) -> list[dict[str, Any]]:
        """All entities."""
        found: list[dict[str, Any]] = self._ask("GET", "/api/states")
        return found

    def service(self, domain: str, name: str, **data: object) -> None:
        """Call an action."""
        self._ask("POST", f"/api/services/{domain}/{name}", data)

    def template(self, text: str) -> str:
        """What a template becomes."""
        return self._raw("POST", "/api/template", {"template": text}).decode()

    def picture(self, entity: str) -> bytes:
        """The picture that an image entity shows."""
        return self._raw("GET", self.attributes(entity)["entity_picture"])

    def wait_for(self, condition: Callable[[], object], seconds: float, what: str = "") -> None:
        """Wait until a condition holds.

        Raises:
            AssertionError: It does not in time; the message has our entities and the end of the log.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                told = "\n".join(f"  {each['entity_id']} {each['state']}" for each in self.states())
                raise AssertionError(f"{what or 'not reached'} within {seconds} s:\n{told}\n{self.log[-2000:]}")
            time.sleep(0.1)

    def _become_owner(self) -> None:
        us = f"{self._base}/"
        owner = {"client_id": us, "name": "test", "username": "test", "password": "test", "language": "en"}
        code = self._ask("POST", "/api/onboarding/users", owner)["auth_code"]
        form = urllib.parse.urlencode({"client_id": us, "grant_type": "authorization_code", "code": code}).encode()
        self._token = json.loads(self._raw("POST", "/auth/token", form))["access_token"]

    def _connect(self, port: int, username: str, password: str) -> None:
        flows = "/api/config/config_entries/flow"
        flow = self._ask("POST", flows, {"handler": "mqtt", "show_advanced_options": False})["flow_id"]
        answers = {"broker": "127.0.0.1", "port": port, "username": username, "password": password}
        made = self._ask("POST", f"{flows}/{flow}", answers)
        if made["type"] != "create_entry":
            raise RuntimeError(f"Home Assistant does not take the broker: {made}")

    def _ask(self, method: str, path: str, data: object = None) -> Any:
        return json.loads(self._raw(method, path, data) or b"null")

    def _raw(self, method: str, path: str, data: object = None) -> bytes:
        body = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
        headers = {} if isinstance(data, bytes) else {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._base + path, body, headers, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=20) as answer:
            found: bytes = answer.read()
            return found


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
