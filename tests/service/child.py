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
    if behaviour == "talkative":
        while not worker.stopping:
            worker.wait(0.05)
        for number in range(20):  # many times what a pipe holds
            worker.send(Message("word", {"number": number}, bytes(60_000)))
        raise SystemExit(0)
    while not worker.stopping:
        worker.beat(lambda: {"n": 1}, every=0.05)
        worker.wait(0.05)


if __name__ == "__main__":
    main()
