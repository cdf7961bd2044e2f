"""A child process for the supervisor's tests; its job says how it behaves."""

import os
import signal
import time

from camwatch.service.messages import Message
from camwatch.service.worker import Worker


def main() -> None:
    worker = Worker.from_command_line()
    behaviour = worker.job["behaviour"]
    worker.send(Message("hello", {"secret_seen": worker.job["secret"], "pid": os.getpid()}))
    if behaviour == "exit":
        raise SystemExit(7)
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(1)
    if behaviour == "silent":
        time.sleep(60)
    if behaviour == "torn":
        os.write(worker._outlet.fd, b"\x40\x00\x00\x00\x00\x00")
        raise SystemExit(1)
    while not worker.stopping:
        worker.beat(lambda: {"n": 1}, every=0.05)
        worker.wait(0.05)


if __name__ == "__main__":
    main()
