"""Telling systemd how we are: the sd_notify(3) protocol, one datagram a message."""

import os
import socket


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


def watchdog_interval() -> float | None:
    """Seconds between two `WATCHDOG=1` (half the time that systemd allows); None without a watchdog.

    See sd_watchdog_enabled(3): `WATCHDOG_USEC`, and `WATCHDOG_PID` where it is set must be ours.
    """
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not usec.isdigit() or (pid is not None and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6 / 2
