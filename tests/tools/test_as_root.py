"""`sudo camwatch enroll`, `forget`: what they write is the daemon's, and nothing is done that its user could not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from camwatch.identification.cache import read_cache
from camwatch.identification.faces import scan
from tests.tools.test_enroll_checks import ANN, BOB, Studio, add
from tests.tools.test_forget import cached, forgotten, gallery, keep_topics, keep_visits


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_as_root_it_writes_what_the_daemon_can_read() -> None:
    with tempfile.TemporaryDirectory() as folder:  # a test's own folder is closed to others
        home = Path(folder)
        home.chmod(0o755)
        faces, state = gallery(home, "Adam", "Eve"), home / "state"
        keep_visits(state, {"visit-1": "Adam"})
        keep_topics(state, "Adam", "Eve")
        for path in (faces, state, *faces.rglob("*"), *state.rglob("*")):
            os.chown(path, 8470, 8470)
        status, lines, _ = forgotten("Adam", faces, state)
        assert (status, "Adam: visits erased: 1" in lines) == (1, True), "the broker is left"
        assert not (faces / "Adam").exists()
        assert {path.stat().st_uid for path in (*faces.rglob("*"), *state.rglob("*"))} == {8470}
        assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_as_root_the_cache_stays_the_daemons_too() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        faces, state = gallery(home, "Adam", "Eve"), home / "state"
        keep_visits(state, {"visit-1": "Adam"})
        cached(faces, faces / "Adam" / "1.png", faces / "Eve" / "1.png")
        for path in (faces, state, *faces.rglob("*"), *state.rglob("*")):
            os.chown(path, 8470, 8470)
        assert forgotten("Adam", faces, state)[0] == 0
        assert len(read_cache(faces, "net")) == 1, "Eve's is kept"
        assert {path.stat().st_uid for path in (*faces.rglob("*"), *state.rglob("*"))} == {8470}


WATCHED = """
import os, sys
late = []
sys.addaudithook(lambda event, args: late.append(args[0]) if event == "import" and os.geteuid() else None)
"""
FORGET = f"""{WATCHED}
from camwatch.cli.program import main
status = main(sys.argv[1:])
assert not late, late
sys.exit(status)
"""
ENROLL = f"""{WATCHED}
from pathlib import Path
from tests.tools.test_enroll_checks import ANN, Studio, enroll, like
pictures, faces = map(Path, sys.argv[1:])
studio = Studio(pictures)
for seed in (1, 2):  # without a cache, and with one
    assert enroll("Ann", [studio.photo(like(ANN, 0.9, seed))], faces, analyzer=studio) == 0
assert not late, late
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")
@pytest.mark.parametrize("configured", [False, True])
def test_as_the_owner_nothing_is_imported_for_the_owner_may_not_read_it(configured: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        faces, state = gallery(home, "Adam", "Eve"), home / "state"
        keep_visits(state, {"visit-1": "Adam"})
        keep_topics(state, "Adam", "Eve")
        cached(faces, faces / "Adam" / "1.png", faces / "Eve" / "1.png")
        for path in (faces, state, *faces.rglob("*"), *state.rglob("*")):
            os.chown(path, 8470, 8470)
        config = home / "camwatch.yml"
        config.write_text(
            f"node: nvr\nmqtt: {{host: 127.0.0.1, port: 1}}\nrecognition: {{faces: {faces}}}\n"
            f"events: {{state: {state}}}\ncameras: {{door: {{source: rtsp://127.0.0.1:1/x}}}}\n"
        )
        where = ["--config", str(config)] if configured else ["--faces", str(faces), "--state", str(state)]
        command = [sys.executable, "-c", FORGET, "forget", "Adam", *where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr and "embeddings erased: 1" in done.stdout, done.stderr
        assert done.returncode == 1 and "left: " in done.stderr, "the broker is left"
        assert {path.stat().st_uid for path in (*faces.rglob("*"), *state.rglob("*"))} == {8470}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")
def test_a_photo_that_root_alone_may_read_keeps_nobody_out(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        faces, studio = Path(folder, "faces"), Studio(tmp_path)
        (faces / "Bob").mkdir(parents=True)
        for path in (faces, faces / "Bob"):
            os.chown(path, 8470, 8470)
        (faces / "Bob" / "b.png").write_bytes(studio.photo(BOB).read_bytes())
        (faces / "Bob" / "b.png").chmod(0o600)
        assert add(studio, faces, "Ann", studio.photo(ANN))[0] == 0
        assert scan(faces).people == ("Ann", "Bob")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")
def test_a_photo_that_root_alone_may_read_is_forgotten_wherever_it_lies() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        faces = gallery(home, "Adam", "Eve")
        (faces / "Eve" / "not").mkdir()
        denied = faces / "Eve" / "not" / "adam.png"
        denied.write_bytes((faces / "Adam" / "1.png").read_bytes())
        for path in (faces, *faces.rglob("*")):
            os.chown(path, 8470, 8470)
        os.chown(faces / "Adam" / "1.png", 0, 0)
        (faces / "Adam" / "1.png").chmod(0o600)
        status, lines, _ = forgotten("Adam", faces, None)
        assert status == 0 and any("photos erased: 2" in line for line in lines)
        assert not denied.exists() and not (faces / "Adam").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")
def test_as_the_owner_enroll_imports_nothing_either(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        faces = Path(folder, "faces")
        faces.mkdir()
        os.chown(faces, 8470, 8470)
        command = [sys.executable, "-c", ENROLL, str(tmp_path), str(faces)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        made = list(faces.rglob("*"))
        assert len(made) == 5 and {path.stat().st_uid for path in made} == {8470}
