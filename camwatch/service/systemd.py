"""Telling systemd how we are: the sd_notify(3) protocol, one datagram a message."""

import os
import socket
import time
from collections.abc import Callable


def notify(message: str) -> bool:
    """Send `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...` to the service manager, if there is one.

    Returns:
        Whether a service manager was told; False without `NOTIFY_SOCKET`.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.sendto(message.encode(), address)
    except OSError:
        return False
    return True


def reloading() -> str:
    """The message that a new configuration is being taken in; `READY=1` says that it is done.

    See sd_notify(3): the time tells systemd which of two reloads is meant.
    """
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


class Watchdog:
    """Tells systemd in time that we are well, if it wants to know."""

    def __init__(self) -> None:
        """Ask the environment."""
        self._interval = watchdog_interval()
        self._next = 0.0

    def feed(self, now: float, well: Callable[[], bool]) -> None:
        """Say it if it is time (monotonic seconds) and so."""
        if self._interval is not None and now >= self._next and well():
            self._next = now + self._interval
            notify("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """Seconds between two `WATCHDOG=1` (half the time that systemd allows); None without a watchdog.

    See sd_watchdog_enabled(3): `WATCHDOG_USEC`, and `WATCHDOG_PID` where it is set must be ours.
    """
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not usec.isdigit() or (pid is not None and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6 / 2
