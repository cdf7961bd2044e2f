"""The command line: words become calls, failures become one line and an exit status."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from camwatch import __version__
from camwatch.capture.trust import Trust
from camwatch.cli import gallery
from camwatch.cli.program import main
from camwatch.config.model import DEFAULT_FACES, DEFAULT_STATE
from camwatch.errors import CamwatchError, ConfigError, ModelError, PhotoError, SourceLost
from camwatch.tools import forget


class Calls(list[tuple[tuple[Any, ...], dict[str, Any]]]):
    """A stand-in for a command's function: notes its calls, then returns or raises the outcome."""

    outcome: object = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.append((args, kwargs))
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """All tools replaced by one stand-in."""
    stand_in = Calls()
    for name in ("align", "check", "classify", "demo", "enroll", "schema", "train", "watch"):
        module = ModuleType(name)
        vars(module)[name] = stand_in
        monkeypatch.setitem(sys.modules, f"camwatch.tools.{name}", module)
    forget = ModuleType("forget")
    vars(forget)["command"] = stand_in
    monkeypatch.setitem(sys.modules, "camwatch.tools.forget", forget)
    for name in ("bench", "evaluate", "explain"):
        module = ModuleType("command")
        vars(module)[name] = stand_in
        monkeypatch.setitem(sys.modules, f"camwatch.tools.{name}.command", module)
    return stand_in


SPLIT = {"aligned": False, "split": False, "min_images_per_class": 20, "train_images_per_class": 10}
WATCH = {
    "annotate": None,
    "show": False,
    "fps": 5.0,
    "min_face": 40,
    "threshold": None,
    "false_alarm_rate": 0.01,
    "trust": Trust(),
}

ENROLL = {"negative": False, "from_event": None, "state": DEFAULT_STATE, "anyway": False}
EVALUATE = {
    "aligned": False,
    "report": None,
    "json_output": False,
    "rate": 0.01,
    "galleries": 200,
    "seed": 0,
    "min_images_per_class": 1,
    "train_images_per_class": None,
}

BENCH = {
    "only": None,
    "threads": "1,2",
    "rounds": 5,
    "seconds": 20.0,
    "videos": [],
    "sizes": None,
    "min_faces": None,
    "runtimes": None,
    "precisions": None,
    "json_output": False,
}


@pytest.mark.parametrize(
    ("words", "args", "kwargs"),
    [
        ("demo", (), {"serve": False}),
        ("demo --serve", (), {"serve": True}),
        ("check c.yml", (Path("c.yml"),), {"probe": False}),
        ("check c.yml --probe", (Path("c.yml"),), {"probe": True}),
        ("schema", (), {}),
        ("align . out", (Path(), Path("out")), {"image_size": 160, "margin": 32}),
        ("align . out --image-size 182 --margin 44", (Path(), Path("out")), {"image_size": 182, "margin": 44}),
        ("train . -o m.npz", (Path(), Path("m.npz")), SPLIT),
        (
            "train . -o m.npz --aligned --split --min-images-per-class 40 --train-images-per-class 35",
            (Path(), Path("m.npz")),
            {"aligned": True, "split": True, "min_images_per_class": 40, "train_images_per_class": 35},
        ),
        ("classify . m.npz", (Path(), Path("m.npz")), SPLIT | {"json_output": False}),
        ("classify . m.npz --json --split", (Path(), Path("m.npz")), SPLIT | {"json_output": True, "split": True}),
        ("watch 0 --faces .", ("0", Path()), WATCH),
        (
            "watch a.mp4 --faces . --annotate o.mp4 --show --fps 2.5 --min-face 60 --threshold 0.7 "
            "--false-alarm-rate 0.1",
            ("a.mp4", Path()),
            {
                "annotate": Path("o.mp4"),
                "show": True,
                "fps": 2.5,
                "min_face": 60,
                "threshold": 0.7,
                "false_alarm_rate": 0.1,
                "trust": Trust(),
            },
        ),
        (
            f"watch rtsps://h/1 --faces . --ca-certs {__file__} --server-name CAM --no-verify",
            ("rtsps://h/1", Path()),
            WATCH | {"trust": Trust(__file__, "CAM", verify=False)},
        ),
        ("enroll Zoë a.jpg b.jpg --faces f", ("Zoë", [Path("a.jpg"), Path("b.jpg")], Path("f")), ENROLL),
        (
            "enroll Zoë --not --from-event 12ab --state s --anyway --faces f",
            ("Zoë", [], Path("f")),
            {"negative": True, "from_event": "12ab", "state": Path("s"), "anyway": True},
        ),
        ("evaluate .", (Path(),), EVALUATE),
        (
            "evaluate . --aligned --report r --json --false-alarm-rate 0.05 --galleries 9 --seed 4"
            " --min-images-per-class 3 --train-images-per-class 2",
            (Path(),),
            {
                "aligned": True,
                "report": Path("r"),
                "json_output": True,
                "rate": 0.05,
                "galleries": 9,
                "seed": 4,
                "min_images_per_class": 3,
                "train_images_per_class": 2,
            },
        ),
        (
            "explain abc --state .",
            ("abc", Path()),
            {"json_output": False, "picture": None, "faces": None},
        ),
        (
            "explain abc --state . --json --picture w.png --faces .",
            ("abc", Path()),
            {"json_output": True, "picture": Path("w.png"), "faces": Path()},
        ),
        ("forget Zoë --faces f --state s", ("Zoë",), {"faces": Path("f"), "state": Path("s"), "config": None}),
        ("forget Zoë --config c.yml", ("Zoë",), {"faces": None, "state": None, "config": Path("c.yml")}),
        ("bench", (), BENCH),
        (
            "bench --only detect,embed --threads 1 --rounds 3 --seconds 5 --video tests/conftest.py --size 640x360 "
            "--min-face 20,40 --runtime tensorflow,openvino --precision bf16 --json",
            (),
            {
                "only": "detect,embed",
                "threads": "1",
                "rounds": 3,
                "seconds": 5.0,
                "videos": [Path("tests/conftest.py")],
                "sizes": "640x360",
                "min_faces": "20,40",
                "runtimes": "tensorflow,openvino",
                "precisions": "bf16",
                "json_output": True,
            },
        ),
    ],
)
def test_words_become_calls(calls: Calls, words: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert main(words.split()) == 0
    ((called, named),) = calls
    named = dict(named)
    if words.startswith("watch"):
        assert named.pop("out") is sys.stdout
    assert (called, named) == (args, kwargs)


def test_forget_looks_where_the_daemon_keeps_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (gallery.DEFAULT_FACES, gallery.DEFAULT_STATE) == (DEFAULT_FACES, DEFAULT_STATE)
    asked = Calls()
    monkeypatch.setattr(forget, "forget", asked)
    monkeypatch.setattr(forget, "DEFAULT_STATE", tmp_path)
    assert main(["forget", "Zoë"]) == 0
    assert main(["forget", "Zoë", "--faces", "elsewhere"]) == 0
    assert asked == [(("Zoë", DEFAULT_FACES, tmp_path), {}), (("Zoë", Path("elsewhere"), None), {})]


def test_watch_takes_its_source_from_the_environment(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMWATCH_SOURCE", "rtsp://u:hunter2@h/s")
    assert main(["watch", "--faces", "."]) == 0
    assert calls[0][0][0] == "rtsp://u:hunter2@h/s"


def test_run_loads_the_configuration_and_hands_it_to_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, started = ModuleType("app"), Calls()
    vars(daemon)["run"] = started
    monkeypatch.setitem(sys.modules, "camwatch.service.app", daemon)
    file = tmp_path / "c.yml"
    file.write_text("mqtt: {host: broker}\ncameras: {door: {source: 0}}\n")
    assert main(["run", str(file), "--log-format", "json"]) == 0
    ((config, read_again), named) = started[0]
    assert (config.mqtt.host, named) == ("broker", {"log_format": "json"})
    file.write_text("mqtt: {host: other}\ncameras: {door: {source: 0}}\n")
    assert read_again().mqtt.host == "other"


def caused_by(error: Exception, code: int) -> Exception:
    error.__cause__ = OSError(code, os.strerror(code))
    return error


@pytest.mark.parametrize(
    ("outcome", "status", "err"),
    [
        (3, 3, ""),
        (ConfigError("c.yml:1: a: b", "c.yml:2: c: d"), 2, "camwatch: c.yml:1: a: b\ncamwatch: c.yml:2: c: d\n"),
        (PhotoError("a.jpg: no face"), 2, "camwatch: a.jpg: no face\n"),
        (SourceLost("door: gone", "network"), 1, "camwatch: door: gone\n"),
        (caused_by(ModelError("m.npz: no place"), errno.ENOSPC), 1, "camwatch: m.npz: no place\n"),
        (caused_by(ModelError("m.npz: quota"), errno.EDQUOT), 1, "camwatch: m.npz: quota\n"),
        (caused_by(ModelError("m.npz: broken"), errno.EIO), 1, "camwatch: m.npz: broken\n"),
        (caused_by(ModelError("m.npz: forbidden"), errno.EACCES), 2, "camwatch: m.npz: forbidden\n"),
        (CamwatchError("the disk is full"), 1, "camwatch: the disk is full\n"),
        (PermissionError(13, "Permission denied", "m.npz"), 1, "camwatch: m.npz: Permission denied\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_outcomes_become_a_line_and_a_status(
    calls: Calls, capsys: pytest.CaptureFixture[str], outcome: object, status: int, err: str
) -> None:
    calls.outcome = outcome
    assert main(["demo"]) == status
    assert capsys.readouterr() == ("", err)


@pytest.mark.parametrize("bug", [ZeroDivisionError(), OSError("no errno")])
def test_a_bug_keeps_its_traceback(calls: Calls, bug: Exception) -> None:
    calls.outcome = bug
    with pytest.raises(type(bug)):
        main(["demo"])


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("chekc c.yml", "No such command 'chekc'. Did you mean 'check'? (see camwatch --help)"),
        ("run", "Missing argument 'CONFIG' (see camwatch run --help)"),
        ("watch a.mp4", "Missing option '--faces' (see camwatch watch --help)"),
        ("demo --server", "No such option: --server (Possible options: --serve) (see camwatch demo --help)"),
        ("run c.yml --log-format xml", "Invalid value for '--log-format': 'xml' is not one of 'text', 'json'"),
        ("watch a --faces . --fps 0", "Invalid value for '--fps'"),
        ("watch a --faces . --threshold nan", "Invalid value for '--threshold'"),
        ("watch a --faces . --min-face few", "Invalid value for '--min-face'"),
        ("align nowhere out", "Invalid value for 'RAW'"),
        ("enroll Zoë a.jpg", "Missing option '--faces'"),
        ("bench --rounds 0", "Invalid value for '--rounds'"),
        ("bench --video nowhere.mp4", "Invalid value for '--video'"),
    ],
)
def test_wrong_words_are_one_line(calls: Calls, capsys: pytest.CaptureFixture[str], words: str, complaint: str) -> None:
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), calls) == ("", 1, [])
    assert err.startswith(f"camwatch: {complaint}")


def test_a_missing_configuration_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "nowhere.yml"]) == 2
    assert capsys.readouterr() == ("", "camwatch: nowhere.yml: no such file\n")


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"camwatch {__version__}\n"
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: camwatch [OPTIONS] COMMAND")
    commands = "run check schema watch align train classify evaluate enroll explain forget demo bench"
    for command in commands.split():
        assert main([command, "--help"]) == 0
        assert f"Usage: camwatch {command}" in capsys.readouterr().out


def test_a_reader_that_has_enough_is_no_failure_to_report() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "camwatch", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
    process.stderr.close()


@pytest.mark.parametrize("command", [["schema"], ["--help"], ["--version"]])
def test_output_that_cannot_be_written_is_one_line(command):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device, not a path of ours
        done = subprocess.run(
            [sys.executable, "-m", "camwatch", *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == "camwatch: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize(("to", "said"), [("/dev/full", "camwatch: the output cannot be written: "), (None, "")])
def test_forget_goes_on_where_nobody_reads_what_it_says(tmp_path: Path, to: str | None, said: str) -> None:
    for number in range(3000):  # more lines than any buffer takes
        photo = tmp_path / "Ann" / f"{number}.jpg"
        photo.parent.mkdir(exist_ok=True)
        photo.write_bytes(b"%d" % number)
    read, write = os.pipe()
    os.close(read)
    out = os.open(to, os.O_WRONLY) if to else write
    words = ["forget", "Ann", "--faces", str(tmp_path)]
    command = [sys.executable, "-m", "camwatch", *words]
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "Ann").exists() and "nobody is left" in done.stderr, "to its end"


def test_the_status_is_the_same_where_nobody_reads_what_was_wrong(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "camwatch", "forget", "Nobody", "--faces", str(tmp_path)]
    assert subprocess.run(command, stdout=subprocess.PIPE, stderr=write, timeout=60).returncode == 2
    os.close(write)


def test_closed_output_is_no_traceback():
    script = 'exec "$1" -m camwatch schema >&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", [".", "/", ".."])
def test_a_folder_is_no_configuration(path):
    done = subprocess.run(
        [sys.executable, "-m", "camwatch", "check", path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "is a folder" in done.stderr and "Traceback" not in done.stderr


def test_a_file_name_that_is_no_text_can_be_printed(tmp_path: Path) -> None:
    photo = tmp_path / "faces" / "Ann" / "\udcff.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"picture")
    command = [sys.executable, "-m", "camwatch", "forget", "Ann", "--faces", str(tmp_path / "faces")]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "utf-8"}, check=False)
    assert b"Traceback" not in done.stderr and done.returncode == 0
    assert b"Ann/\\udcff.jpg" in done.stdout and not photo.exists()
