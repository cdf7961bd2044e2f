"""No credential reaches the log, in no format."""

import json
import logging

import pytest

from camwatch.service import logs


@pytest.fixture
def stderr(capsys):
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rtsp://user:pass@10.0.0.2:554/s", "rtsp://***@10.0.0.2:554/s"),
        ("rtsps://admin:p@ss/w:rd@cam/s failed", "rtsps://***@cam/s failed"),
        ("two: rtsp://a:b@x/1 rtsp://c:d@y/2", "two: rtsp://***@x/1 rtsp://***@y/2"),
        ('rtsp://a:hun"ter2@x/1 failed', "rtsp://***@x/1 failed"),
        ("rtsp:/admin:hunter2@cam/s: there is no such file", "***@cam/s: there is no such file"),
        ("http://cam/v?access_token=hunter2", "http://cam/v?access_token=***"),
        ("rtsp://10.0.0.2/s", "rtsp://10.0.0.2/s"),
        ("alice@example.com", "alice@example.com"),
    ],
)
def test_credentials_are_masked(stderr, log_format, text, masked):
    logs.set_up(log_format, process="main")
    logging.getLogger("camwatch.test").info("%s", text)
    line = stderr().rstrip("\n")
    assert json.loads(line)["message"] == masked if log_format == "json" else line.endswith(f" main: {masked}")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_in_message_arguments_or_traceback(stderr, log_format):
    logs.set_up(log_format, process="main")
    log = logging.getLogger("camwatch.test")
    try:
        raise OSError("rtsp://user:hunter2@cam/s: refused")
    except OSError:
        log.exception("cannot open %s", "rtsp://user:hunter2@cam/s")
    text = stderr()
    assert "hunter2" not in text
    assert "rtsp://***@cam/s" in text
    if log_format == "json":
        line = json.loads(text)
        assert (line["level"], line["process"], line["message"]) == ("error", "main", "cannot open rtsp://***@cam/s")
        assert "refused" in line["exception"]


def test_a_second_set_up_does_not_double_the_lines(stderr):
    logs.set_up("text", process="main")
    logs.set_up("text", process="main")
    logging.getLogger("camwatch.test").info("once")
    assert stderr().count("once") == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_file_name_breaks_no_line(stderr, log_format):
    logs.set_up(log_format, process="main")
    logging.getLogger("camwatch").warning("%s: no photo in it", "a\n2026-01-01 00:00:00 ERROR main: forged\x1b[2J")
    try:
        raise OSError("gone")
    except OSError:
        logging.getLogger("camwatch").exception("broken")
    lines = stderr().splitlines()
    assert "forged" in lines[0] and "\x1b" not in lines[0] and "forged" not in "".join(lines[1:])
    assert "OSError: gone" in lines[-1]
    assert (len(lines) == 2) == (log_format == "json")  # for people, what follows an exception has its lines
