"""A real broker for tests: Debian's mosquitto as a process of its own, on free loopback ports.

    with Mosquitto(users={"cam": "secret"}) as broker, Subscriber(broker, username="cam", password="secret") as seen:
        ...
        seen.wait_for(lambda messages: len(messages) == 3, timeout=5)

The broker keeps its port over `stop` and `start`. It listens on IPv4 loopback only, in the clear on `port` and, where
`tls` is asked for, encrypted on `tls_port` with a certificate for loopback signed by the authority in `ca_certs`.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.rigs.authority import Authority
from tests.rigs.ports import free_ports

APT_PACKAGES = ("mosquitto", "openssl")
_SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _missing() -> str | None:
    lacking = [name for name in ("mosquitto", "mosquitto_passwd", "openssl") if not shutil.which(name, path=_SEARCH)]
    if not lacking:
        return None
    return f"no {', '.join(lacking)} here; install with apt-get: {' '.join(APT_PACKAGES)}"


MOSQUITTO_MISSING: str | None = _missing()
"""Why `Mosquitto` cannot run on this machine, or None."""


def _program(name: str) -> str:
    found = shutil.which(name, path=_SEARCH)
    if found is None:
        raise RuntimeError(MOSQUITTO_MISSING)
    return found


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Mosquitto:
    """A broker that runs from construction to `close`.

    Args:
        users: Passwords by user name; without them anybody may come in.
        acl: Text of an access list, as mosquitto's `acl_file` has it.
        tls: Offer an encrypted listener too.
        persistence: Keep retained messages and sessions on disk over a restart; a folder keeps them there, and saves
            every change at once, so that they also survive `kill`.
        extra: Further lines of the configuration.

    Raises:
        RuntimeError: It does not start; the message has its log.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: bool = False,
        persistence: bool | Path = False,
        extra: Sequence[str] = (),
    ) -> None:
        """Write the configuration and start."""
        self._folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.tls_port = free_ports(2)
        try:
            self._configure(users or {}, acl, tls, persistence, extra)
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The broker's process, None while it is stopped."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """Everything the broker has said so far."""
        file = self._folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start, again on the same port, and wait until it listens."""
        if self._process is not None:
            raise RuntimeError("the broker runs already")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("mosquitto"), "-c", str(self._folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"mosquitto does not start:\n{self.log}")

    def stop(self) -> None:
        """End it in order, so that it saves what it keeps; nothing where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it like a power cut."""
        self._end(signal.SIGKILL)

    def save(self) -> None:
        """Write what it keeps to disk, at its next turn."""
        self._signal(signal.SIGUSR1)

    def suspend(self) -> None:
        """Let it hang: connections stay open and nothing is answered, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End `suspend`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """The broker is already running."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.close()

    @property
    def ca_certs(self) -> Path:
        """The authority that signed the broker's certificate."""
        return self._folder / "tls" / "ca.crt"

    def _configure(
        self, users: Mapping[str, str], acl: str | None, tls: bool, persistence: bool | Path, extra: Sequence[str]
    ) -> None:
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if users else 'true'}",
            f"persistence {'true' if persistence else 'false'}",
            f"persistence_location {persistence if isinstance(persistence, Path) else self._folder}/",
            "log_dest stderr",
            # Its default drops messages for slow subscribers beyond a thousand; with 0, which is unlimited, version
            # 2.0.11 hangs up on a client that publishes what its access list forbids.
            "max_queued_messages 100000",
        ]
        if isinstance(persistence, Path):
            lines += ["autosave_on_changes true", "autosave_interval 1"]
        if os.geteuid() == 0:
            # Otherwise it becomes the user mosquitto, who cannot read the private folder.
            lines.append("user root")
        if users:
            passwords = self._private("passwords", "")
            for name, secret in users.items():
                command = [_program("mosquitto_passwd"), "-b", str(passwords), name, secret]
                subprocess.run(command, check=True, capture_output=True)
            lines.append(f"password_file {passwords}")
        if acl is not None:
            lines.append(f"acl_file {self._private('acl', acl)}")
        if tls:
            certificate, key = Authority(self._folder / "tls").sign("localhost")
            lines += [f"listener {self.tls_port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
        self._private("mosquitto.conf", "\n".join([*lines, *extra, ""]))

    def _private(self, name: str, text: str) -> Path:
        file = self._folder / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise RuntimeError("the broker does not run")
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it arrived; `time` is `time.time()`, `retain` tells one that the broker had kept."""

    topic: str
    payload: bytes
    retain: bool
    time: float


class Subscriber:
    """A client that collects everything, and comes back by itself after the broker was away.

    Args:
        broker: Anything with `host` and `port`.
        topics: Filters to subscribe to.
        username, password: Where the broker wants them.
        client_id: With one, the broker keeps the subscription and queues messages while we are away.
    """

    def __init__(
        self,
        broker: Any,
        *topics: str,
        username: str | None = None,
        password: str | None = None,
        client_id: str = "",
    ) -> None:
        """Connect and wait for the subscription to stand."""
        self._topics = topics or ("#",)
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._last: dict[str, bytes] = {}
        self._subscribed = False
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=not client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self._client.username_pw_set(username, password)
        # Fractions of a second work, and tests do not want to wait a whole one.
        self._client.reconnect_delay_set(0.1, 0.2)  # type: ignore[arg-type]
        self._client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in self._topics])
        self._client.on_subscribe = lambda *_: self._note_subscribed(True)
        self._client.on_disconnect = lambda *_: self._note_subscribed(False)
        self._client.on_message = self._on_message
        self._client.connect_async(broker.host, broker.port, keepalive=60)
        self._client.loop_start()
        try:
            self.wait_subscribed()
        except AssertionError:
            self.close()
            raise

    @property
    def messages(self) -> list[Message]:
        """Everything that has arrived, in order."""
        with self._changed:
            return list(self._messages)

    def on(self, topic: str) -> list[Message]:
        """What arrived on one topic."""
        return [message for message in self.messages if message.topic == topic]

    def last(self, topic: str) -> bytes | None:
        """What arrived last on a topic, None where nothing has."""
        with self._changed:
            return self._last.get(topic)

    @property
    def subscribed(self) -> bool:
        """Whether the broker has confirmed the subscription on the present connection."""
        with self._changed:
            return self._subscribed

    def wait_subscribed(self, timeout: float = 10) -> None:
        """Wait until the broker has confirmed the subscription, also after it was away."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._subscribed, timeout):
                raise AssertionError(f"not subscribed after {timeout} s")

    def wait_for(self, predicate: Callable[[list[Message]], object], timeout: float = 10) -> list[Message]:
        """Wait until the messages so far satisfy the predicate; returns them.

        Raises:
            AssertionError: They do not in time; the message shows what did arrive.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self._messages), timeout):
                tail = "\n".join(f"  {m.topic} {m.payload[:100]!r}" for m in self._messages[-20:])
                raise AssertionError(f"after {timeout} s there are {len(self._messages)} messages, at last:\n{tail}")
            return list(self._messages)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send a message of QoS 1 and wait until the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        """It is already connected."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Disconnect."""
        self.close()

    def _note_subscribed(self, subscribed: bool) -> None:
        with self._changed:
            self._subscribed = subscribed
            self._changed.notify_all()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        with self._changed:
            self._messages.append(Message(message.topic, bytes(message.payload), message.retain, time.time()))
            self._last[message.topic] = bytes(message.payload)
            self._changed.notify_all()
