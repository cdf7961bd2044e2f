"""A short visit to the broker, for where no daemon runs: set some retained values, and leave."""

import queue
import secrets
import time
from collections.abc import Mapping

from camwatch.publishing.broker import Broker
from camwatch.publishing.mqtt import Answer, Down, Link, Network, Record, Up, probe


def set_retained(broker: Broker, messages: Mapping[str, bytes], *, status: str, timeout: float) -> set[str]:
    """Publish retained values with QoS 1, and wait until the broker has answered.

    Args:
        broker: Where.
        messages: Values by topic; an empty one clears.
        status: Topic of the will, which says `offline`: so it is, where no daemon runs.
        timeout: Seconds to connect, and as many again for the answers.

    Returns:
        The topics that the broker has taken. One that speaks only MQTT 3.1.1 does not say what it refuses.

    Raises:
        DeliveryError: The broker cannot be reached or refuses us.
        InputError: A certificate file cannot be used.
    """
    probe(broker, timeout=timeout)
    records: queue.SimpleQueue[Record] = queue.SimpleQueue()
    network = Network(
        broker,
        client_id=f"camwatch-errand-{secrets.token_hex(4)}",
        status=status,
        subscriptions=(),
        protocol=None,
        give_up_after=timeout,
        post=records.put,
    )
    link: Link | None = None
    open_, sent, taken = list(messages), dict[int, str](), set[str]()
    deadline = time.monotonic() + timeout
    network.start()
    try:
        while (open_ or sent) and (left := deadline - time.monotonic()) > 0:
            try:
                record = records.get(timeout=left)
            except queue.Empty:
                break
            match record:
                case Up(up):
                    link = up
                case Down():
                    link, open_ = None, [*sent.values(), *open_]
                    sent.clear()
                case Answer(at, mid, refusal, _) if at is link and mid in sent:
                    topic = sent.pop(mid)
                    if refusal is None:
                        taken.add(topic)
            while link is not None and open_ and len(sent) < link.window:
                topic = open_.pop(0)
                sent[link.publish(topic, messages[topic], retain=True)] = topic
    finally:
        network.stop(link, 1.0)
    return taken
