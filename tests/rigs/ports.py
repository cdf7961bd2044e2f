"""Free loopback ports that stay free: below those that the kernel gives to connections.

A server that a test stops and starts again wants its port back. One from the kernel's own range may have become the
local end of somebody's connection meanwhile, even of one to that very port (a TCP self-connection).
"""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10000
_TRIES = 200


def free_ports(count: int) -> list[int]:
    """Different TCP ports of the loopback interface that nobody listens on or is connected through now.

    Raises:
        RuntimeError: There are too few.
    """
    highest = int(_RANGE.read_text().split()[0]) - 1 if _RANGE.exists() else 32767
    found: list[int] = []
    for port in random.sample(range(_LOWEST, highest), _TRIES):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"only {len(found)} of {count} free ports between {_LOWEST} and {highest}")


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]
