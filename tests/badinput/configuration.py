"""Configuration files and secrets: whatever stands in them, `load` reads it or says in lines what is wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml
from hypothesis import strategies as st

from camwatch.config.model import Config, load, verify
from tests.badinput.kind import CANARY, Kind, WrongAnswerError
from tests.badinput.mutants import mutants

SECRETS = f"""mqtt: {CANARY}
camera: {CANARY}
'a b': "x"
"""
SMALL = f"""mqtt:
  host: 192.168.1.10
  username: camwatch
  password: {CANARY}
cameras:
  front_door:
    source: rtsp://cam:{CANARY}@192.168.1.20:554/stream1
    fps: 5
    motion: {{floor_fps: 0.5, masks: [[[0, 0], [0.3, 0], [0, 0.4]]]}}
  yard:
    source: recordings/yard.mp4
    loop: true
"""
LARGE = f"""node: hall
mqtt: &broker
  host: broker.lan
  port: 8883
  username: "cam"
  password: !secret mqtt
  tls: {{ca_certs: ca.pem, insecure: false}}
  topic_prefix: home/camwatch
recognition: {{faces: faces, false_alarm_rate: 0.01, min_face: 40}}
events: {{visit_gap: 5s, max_live_age: 10s, state: state, retain: {{days: 14}}}}
engine: {{device: cpu, max_wait: 20ms, threads: 2}}
http: {{host: 127.0.0.1, port: 8470}}
cameras:
  a: &one
    source: http://cam:{CANARY}@192.168.1.20/mjpeg?user=cam&password={CANARY}
    stall_timeout: 10s
  b:
    <<: *one
    source: !env_var CAM_B rtsp://x/1
"""
WORDS = [
    *(b": ", b"- ", b"&a ", b"*a", b"<<: *broker", b"<<: [*one, *broker]", b"!secret mqtt", b"!secret nobody"),
    *(b"!env_var HOME", b"!env_var NOWHERE", b"!!int ", b"!!binary ", b"!x ", b"[", b"]", b"{", b"}", b"? ", b"---\n"),
    *(b"...\n", b"\t", b'"', b"'", b"|\n", b">\n", b"%YAML 9.9\n", b"\xef\xbb\xbf", b"\xff", b"\0", b"\r", b"\x85"),
    *(b'"\\ud800"', b'"\\UFFFFFFFF"', b'"\\x00"', b"1e999", b".inf", b".nan", b"9" * 5000, b"~", b"0x10", b"1_0"),
    *(b"\xe2\x80\xa8", b"2001-01-01", b"-", b"cameras:\n", b"mqtt:\n", b"#", b"@", b"`", b"passw" * 3000, b"\n  "),
]
NESTED = "a: &a {0}{1}\nb: &b {0}*a{1}\nc: &c {0}*b{1}\nd: {0}*c{1}\n".format("[" * 150, "]" * 150)
NAMED: dict[str, bytes] = {
    "nothing": b"",
    "a number": b"7",
    "a list": b"- 1\n- 2\n",
    "code point beyond Unicode": SMALL.replace("yard.mp4", '"\\UFFFFFFFF"').encode(),
    "code point beyond Unicode in quotes": b'mqtt: {host: "\\UFFFFFFFF"}\n',
    "half a character": SMALL.replace("recordings/yard.mp4", '"\\ud800"').encode(),
    "half a character in a folder": f'{SMALL}recognition: {{faces: "\\ud800"}}\n'.encode(),
    "half a character in a topic": SMALL.replace("  host", '  topic_prefix: "a\\udfff"\n  host').encode(),
    "half a character in a user": SMALL.replace("username: camwatch", 'username: "\\ud800"').encode(),
    "half a character in a password": SMALL.replace(f"password: {CANARY}", 'password: "\\ud800"').encode(),
    "deep by brackets": b"[" * 5000,
    "deep by aliases": NESTED.encode(),
    "aliases that multiply": b"".join(
        b"%c: &%c [%s]\n" % (97 + n, 97 + n, b", ".join([b"*%c" % (96 + n) if n else b"1"] * 9)) for n in range(9)
    ),
    "many unknown keys": SMALL.encode() + b"".join(b"k%d: 1\n" % n for n in range(20_000)),
    "many cameras without a source": b"mqtt: {host: x}\ncameras:\n" + b"".join(b"  c%d: {}\n" % n for n in range(9000)),
    "many merges": b"z: [" + b"1," * 20_000 + b"1]\na: &a {q: 1}\nb: [" + b"{<<: *a}, " * 12_000 + b"1]\n",
    "a long word before an @": SMALL.replace("recordings/yard.mp4", "a" * 60_000 + ":@x").encode(),
    "words like password": SMALL.replace("recordings/yard.mp4", "passw" * 40_000 + "=").encode(),
    "addresses": SMALL.replace("recordings/yard.mp4", "a://b@" * 30_000).encode(),
    "a camera's name of 10,000 letters": b"mqtt: {host: x}\ncameras: {" + b"a" * 10_000 + b": {source: x}}\n",
    "a path of 100,000 letters": SMALL.replace("recordings/yard.mp4", "/x" * 50_000).encode(),
    "a mebibyte of numbers": b"a: [" + b"1," * 500_000 + b"1]",
    "larger than a mebibyte": b"#" * (1 << 20) + b"\n",
}


def _keys(schema: dict[str, Any], found: set[str], definitions: dict[str, Any]) -> None:
    for key, value in schema.get("properties", {}).items():
        found.add(key)
        _keys(value, found, definitions)
    for value in definitions.values():
        _keys(value, found, {})


def known_keys() -> list[str]:
    """Every key that a configuration may have."""
    schema = Config.model_json_schema()
    found: set[str] = set()
    _keys(schema, found, schema.get("$defs", {}))
    return sorted(found)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["rtsp://a:b@c/1", "x.mp4", "5s", "1h", "cpu", "on", "~root", "~nobody-there/x", "../../etc/passwd", "0", "a/b"]
    ),
    st.text("0123456789.smh-+e", max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(known_keys()), st.text(max_size=8)), inner, max_size=4),
    ),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A good configuration in which some values are others, as YAML or JSON."""
    data = yaml.safe_load(SMALL)
    sections: list[Any] = [data, data["mqtt"], data["cameras"], data["cameras"]["yard"], data["cameras"]["front_door"]]
    sections += [data.setdefault(name, {}) for name in ("recognition", "events", "engine", "http")]
    for _ in range(draw(st.integers(1, 3))):
        section = draw(st.sampled_from(sections))
        section[draw(st.one_of(st.sampled_from(known_keys()), st.text(max_size=8)))] = draw(VALUES)
    if draw(st.booleans()):
        return json.dumps(data).encode()
    text: str = yaml.safe_dump(data, allow_unicode=draw(st.booleans()))
    return text.encode("utf-8", "surrogatepass")


def strings(data: object) -> Iterator[str]:
    """All text in plain data."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for one in data:
            yield from strings(one)
    elif isinstance(data, str):
        yield data


def _checked(path: Path) -> None:
    config = load(path, environ={"HOME": "/home/cam"})
    for problem in verify(config):
        if len(problem.splitlines()) != 1:
            raise WrongAnswerError(f"a problem of two lines: {problem!r}")
    resolved = config.resolved()
    shown = yaml.safe_dump(resolved, allow_unicode=True)
    for text in strings(resolved):
        text.encode()
    if CANARY in shown:
        raise WrongAnswerError("a password in what is shown")


def _configuration(folder: Path) -> Callable[[bytes], None]:
    (folder / "secrets.yaml").write_text(SECRETS)

    def read(data: bytes) -> None:
        path = folder / "camwatch.yml"
        path.write_bytes(data)
        _checked(path)

    return read


def _secrets(folder: Path) -> Callable[[bytes], None]:
    (folder / "camwatch.yml").write_text(LARGE)

    def read(data: bytes) -> None:
        (folder / "secrets.yaml").write_bytes(data)
        _checked(folder / "camwatch.yml")

    return read


INTACT = {line.strip() for text in (SMALL, LARGE, SECRETS) for line in text.encode().splitlines()}


def _in_its_place(data: bytes) -> bool:
    """Whether the password stands in its own line only: elsewhere nobody can know that it is one."""
    lines = {line.strip() for line in data.splitlines() if CANARY.encode() in line}
    return bool(lines) and lines <= INTACT


def _secret_documents(random: Random) -> bytes:
    name = random.choice(["mqtt", "camera", "", "x", "mqtt: mqtt", "? [a]", "&a mqtt"])
    shapes = ["{}", "!secret {}", "[{}]", "{{{}: 1}}", "'{}", "|\n  {}"]
    value = random.choice(shapes).format(CANARY)
    return f"{name}: {value}\ncamera: {random.choice([CANARY, '', '*a', '!env_var X'])}\n".encode()


KINDS = (
    Kind(
        "configuration",
        _configuration,
        {"mutants": mutants([SMALL.encode(), LARGE.encode()], words=WORDS), "documents": documents()},
        NAMED,
        share=1,
        seconds=60,
        keeps_secret=_in_its_place,
    ),
    Kind(
        "secrets",
        _secrets,
        {"mutants": mutants([SECRETS.encode()], words=WORDS), "documents": _secret_documents},
        {name: data for name, data in NAMED.items() if len(data) < 300},
        share=4,
        seconds=60,
        keeps_secret=lambda data: CANARY.encode() in data,
    ),
)
