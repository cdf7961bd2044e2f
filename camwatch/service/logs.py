"""Logging to stderr: text for people and journald, JSON for collectors; never a credential."""

import json
import logging
import sys
import time
from typing import Literal

from camwatch.capture.address import mask
from camwatch.errors import one_line

LogFormat = Literal["text", "json"]


class _Text(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(process_name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        record.process_name = self._process
        return mask(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class names it so
        record.message = one_line(record.message)  # a file's name may have a line break in it
        return super().formatMessage(record)


class _Json(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": mask(one_line(record.getMessage())),
        }
        if record.exc_info:
            line["exception"] = mask(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def set_up(log_format: LogFormat, *, process: str, level: int = logging.INFO) -> None:
    """Send this process's log to stderr, once; a second call replaces the first.

    Args:
        log_format: `text` or `json` (one object a line).
        process: What the process is, for the reader of the log: `main`, `inference`, `reader front_door`.
        level: The lowest level shown.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(process) if log_format == "json" else _Text(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("amqtt", "transitions", "libav", "h5py", "tensorflow", "absl"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
