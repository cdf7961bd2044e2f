"""An MQTT broker and a subscriber inside this process, for the demo. Not for production: it keeps nothing on disk."""

import asyncio
import contextlib
import json
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.client import MQTTClient
from amqtt.errors import AMQTTError

from camwatch.errors import CamwatchError

START_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Received:
    """One message as the subscriber got it."""

    topic: str
    payload: dict[str, Any]


class DemoBroker:
    """A running broker on a free loopback port, with one subscriber to the events.

    Attributes:
        port: Where clients connect.
        received: Event messages, oldest first.
    """

    def __init__(self, topic: str) -> None:
        """Prepare a subscriber to `topic` and what is below it."""
        self.port = free_port()
        self.received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._topic = topic
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._work, name="broker", daemon=True)

    def start(self) -> None:
        """Start the broker and subscribe.

        Raises:
            CamwatchError: It did not come up.
        """
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT) or self._failure is not None:
            raise CamwatchError(f"the embedded MQTT broker did not start: {self._failure or 'it took too long'}")

    def stop(self) -> None:
        """End the subscriber, then the broker."""
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10.0)

    def _work(self) -> None:
        try:
            self._task = self._loop.create_task(self._serve())
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
        except (OSError, AMQTTError, ValueError) as error:
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        # amqtt 0.12, "Configuration": one TCP listener, anonymous clients, nothing else.
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            },
            loop=self._loop,
        )
        await broker.start()
        client = MQTTClient(config={"auto_reconnect": False})
        try:
            await client.connect(f"mqtt://127.0.0.1:{self.port}/")
            await client.subscribe([(f"{self._topic}/#", 1)])
            self._ready.set()
            while True:
                message = await client.deliver_message()
                if message is not None and message.publish_packet is not None:
                    packet = message.publish_packet
                    self.received.put(Received(str(packet.topic_name), json.loads(bytes(packet.data or b"{}"))))
        finally:
            with contextlib.suppress(AMQTTError, OSError, asyncio.CancelledError):
                await client.disconnect()
            await broker.shutdown()


@contextlib.contextmanager
def running(topic: str) -> Iterator[DemoBroker]:
    """A broker that is stopped at the end."""
    broker = DemoBroker(topic)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def free_port() -> int:
    """A TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
