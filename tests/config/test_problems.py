"""Refusals of the configuration, word for word: a tired user reads them, and no password is in them."""

from pathlib import Path

import pytest

from camwatch.config.model import load
from camwatch.errors import ConfigError

MINIMAL = "mqtt:\n  host: broker\ncameras:\n  door:\n    source: rtsp://cam:hunter2@10.0.0.2:554/s\n"


def complaints(folder: Path, text: str) -> list[str]:
    """The problems of a file without its folder and name: `LINE: key: text`."""
    file = folder / "c.yml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    found = [problem.removeprefix(f"{folder}/c.yml:").strip() for problem in caught.value.problems]
    assert "hunter2" not in str(found)
    return found


TOKEN = "16 to 256 letters, digits and any of - . _ ~ + / =, for example from: openssl rand -hex 24"
CAMERA = MINIMAL + "    {key}: {value}\n"
RTSP = "rtsp://USER:PASSWORD@HOST:PORT/PATH, with / # ? @ : in the password written as %2F %23 %3F %40 %3A"


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("fps", "fast", 'is "fast", must be a number above 0 and at most 60'),
        ("fps", "0", "is 0, must be a number above 0 and at most 60"),
        ("fps", "61", "is 61, must be a number above 0 and at most 60"),
        ("fps", "true", "is true, must be a number above 0 and at most 60"),
        ("fps", "", "is empty, must be a number above 0 and at most 60"),
        ("fps", "'5'", 'is "5" in quotes, must be a number above 0 and at most 60'),
        ("min_face", "19", "is 19, must be a whole number from 20 to 1000"),
        ("min_face", "40.5", "is 40.5, must be a whole number from 20 to 1000"),
        ("threshold", "1.1", "is 1.1, must be a number from 0 to 1"),
        ("false_alarm_rate", "0", "is 0, must be a number from 0.0001 to 0.1"),
        ("false_alarm_rate", "1e-7", "is 1e-07, must be a number from 0.0001 to 0.1"),
        ("false_alarm_rate", "0.5", "is 0.5, must be a number from 0.0001 to 0.1"),
        ("stall_timeout", "0.0000001", "is 1e-07, must be above 0s and at most 10m"),
        ("stall_timeout", "0.0001ms", 'is "0.0001ms", must be above 0s and at most 10m'),
        ("stall_timeout", "!!float nan", "its !! tag is not known here or does not fit the value, leave the tag out"),
        ("fps", "!!float inf", "its !! tag is not known here or does not fit the value, leave the tag out"),
        ("enabled", "!!bool maybe", "its !! tag is not known here or does not fit the value, leave the tag out"),
        ("fps", "at rtsp://u:hunter2@h/1", 'is "atrtsp://***@h/1", must be a number above 0 and at most 60'),
        ("fps", '"5\\n\\e[31m"', 'is "5??[31m", must be a number above 0 and at most 60'),
        ("transport", "upd", 'is "upd", must be tcp or udp'),
        ("stall_timeout", "0s", 'is "0s", must be above 0s and at most 10m'),
        ("stall_timeout", "5 minutes", 'is "5 minutes", must be a duration such as 5s, 20ms, 2m or 1h'),
        ("stall_timeout", "[5]", "is a list, must be a duration such as 5s, 20ms, 2m or 1h"),
        ("enabled", "1", "is 1, must be true or false"),
        ("loop", "true", "only a recording can be played in a loop, leave this key out"),
        ("motion", "off", "is a single value, must be a section of `key: value` lines, indented under `motion:`"),
        ("sorce", "x", "unknown key, did you mean source?"),
        ("visit_gap", "5s", "unknown key here, did you mean events.visit_gap?"),
    ],
)
def test_wrong_values_of_a_camera(tmp_path: Path, key: str, value: str, complaint: str) -> None:
    assert complaints(tmp_path, CAMERA.format(key=key, value=value)) == [f"6: cameras.door.{key}: {complaint}"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("rtsp://u:hun/ter2@h/s", 'is "rtsp://***@h/s", must be ' + RTSP),
        ("rtsp://", 'is "rtsp://", must be ' + RTSP),
        (
            "rstp://u:hunter2@h/s",
            'begins with "rstp://", must be rtsp://, rtsps://, http:// or https://, did you mean rtsp://?',
        ),
        ("u:hunter2@h/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("rtsp:/u:hunter2@h/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("rtsp//u:hunter2@h/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("rtsp;//u:hunter2@h/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("'<rtsp://u:hunter2@h/s>'", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("'rtsp ://u:hunter2@h/s'", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("://u:hunter2@h/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("/u:hunter2@h/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("h.lan/user=a_password=hunter2", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("rtsp//192.168.1.2/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("rtsp:/192.168.1.2/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        ("192.168.1.2:554/s", "looks like a camera's address, which begins with its scheme: rtsp://"),
        *(
            (
                address,
                "holds an @ after the host: write %40 for every @ in the password or path, "
                "and %2F %23 %3F for / # ? in the password",
            )
            for address in (
                "'rtsp://u:12#hunter2@h/1'",
                "rtsp://u:12/hunter2@h/1",
                "rtsp://u:12?hunter2@h/1",
                "http://h/@1",
            )
        ),
        ("file://a.mp4", "a recording is given by its path alone, without file://"),
        ("rtsp://u:hun ter2@h/s", "the address holds a space, write %20 for it"),
        ("-1", "is -1, a webcam's number is 0 or a little more"),
        ("''", "is empty, must be an rtsp:// or http:// address, the path of a recording, or the number of a webcam"),
    ],
)
def test_wrong_sources(tmp_path: Path, source: str, complaint: str) -> None:
    text = MINIMAL.replace("rtsp://cam:hunter2@10.0.0.2:554/s", source)
    assert complaints(tmp_path, text) == [f"5: cameras.door.source: {complaint}"]


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("node: My NVR", 'node: is "My NVR", must be a name of a-z, 0-9, _ and -, for example my_nvr'),
        (
            "node: 'at rtsp://u:hunter2@h'",
            "node: is not shown as it may be a password or an address, must be a name of a-z, 0-9, _ and -",
        ),
        (
            "recognition: {faces: 7}",
            "recognition.faces: is 7 without quotes, must be the path of a folder: put it in quotes",
        ),
        ("engine: {device: CPU}", 'engine.device: is "CPU", must be auto, cpu or gpu, did you mean cpu?'),
        ("engine: {max_wait: 2s}", 'engine.max_wait: is "2s", must be from 0s to 1s'),
        ("events: {retain: {days: 0}}", "events.retain.days: is 0, must be a whole number from 1 to 3650"),
        ("http: {port: 65536}", "http.port: is 65536, must be a whole number from 1 to 65535"),
        ("http: {host: 'a:80'}", 'http.host: is "a:80", the port goes into the key `port` beside it'),
        (
            "http: {host: 0.0.0.0}",
            f"http.token: is missing: 0.0.0.0 lets others in. Give {TOKEN}; or public: true lets all read /metrics",
        ),
        ("http: {token: hunter2}", f"http.token: has 7 letters, must be {TOKEN}"),
        ("http: {token: hunter2 hunter2 hunter2}", f"http.token: has letters that it cannot have, must be {TOKEN}"),
        ("http: {token: 1234567890123456}", "http.token: is a number without quotes, must be text: put it in quotes"),
        (
            "http: {public: true, token: hunter2-hunter2-hunter2}",
            "http.public: goes against http.token, leave one of them out",
        ),
        ("faces: /srv", "faces: unknown key here, did you mean recognition.faces?"),
        ("zones: []", "zones: unknown key, must be node, mqtt, recognition, events, engine, http or cameras"),
        (
            "recognition: {faces: a}\nevents: {state: a/b}",
            "events.state: lies in recognition.faces, where it would be taken for a person, must be a folder apart",
        ),
    ],
)
def test_wrong_values_elsewhere(tmp_path: Path, section: str, complaint: str) -> None:
    line = 6 + section.count("\n")
    assert complaints(tmp_path, MINIMAL + section + "\n") == [f"{line}: {complaint}"]


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (
            "host: mqtt://u:hunter2@b",
            'host: is "mqtt://***@b", must be a host name or address alone: no scheme, no user, no path',
        ),
        (
            "host: ' mqtt_tls://u:hun ter2@b'",
            'host: is "mqtt_tls://***@b", must be a host name or address alone: no scheme, no user, no path',
        ),
        ("host: u:hunter2@b", 'host: is "***@b", must be a host name or address alone: no scheme, no user, no path'),
        ("password: x", "password: is of no use without mqtt.username, give both or neither"),
        ("password: 1234", "password: is a number without quotes, must be text: put it in quotes"),
        ("topic_prefix: /a", 'topic_prefix: is "/a", must not begin or end with / nor hold //'),
        ("topic_prefix: a/#", 'topic_prefix: is "a/#", must be a topic without +, #, spaces and a leading $'),
        ("discovery_style: new", 'discovery_style: is "new", must be device or component'),
        ("tls: {keyfile: k}", "tls.keyfile: is of no use alone, give certfile too"),
        ("tls: {ca_cert: k}", "tls.ca_cert: unknown key, did you mean ca_certs?"),
        ("tls: yes please", "tls: is a single value, must be a section of `key: value` lines, indented under `tls:`"),
    ],
)
def test_wrong_values_of_the_broker(tmp_path: Path, key: str, complaint: str) -> None:
    text = MINIMAL.replace("  host: broker\n", f"  {key}\n" + ("" if key.startswith("host") else "  host: b\n"))
    assert complaints(tmp_path, text) == [f"2: mqtt.{complaint}"]


@pytest.mark.parametrize(
    ("source", "tls", "complaint"),
    [
        ("rtsp://h/1", "{verify: false}", ": is of use for rtsps:// and https:// only, and the source is neither"),
        ("film.mp4", "{server_name: a}", ": is of use for rtsps:// and https:// only, and the source is neither"),
        ("rtsps://h/1", "{insecure: true}", ".insecure: unknown key here, did you mean mqtt.tls.insecure?"),
        ("rtsps://h/1", "{verify: 1}", ".verify: is 1, must be true or false"),
        ("https://h/1", "{server_name: 'a b'}", '.server_name: is "a b", must be a host name or an address'),
    ],
)
def test_wrong_values_of_encrypted_cameras(tmp_path: Path, source: str, tls: str, complaint: str) -> None:
    text = MINIMAL.replace("rtsp://cam:hunter2@10.0.0.2:554/s", source) + f"    tls: {tls}\n"
    assert complaints(tmp_path, text) == [f"6: cameras.door.tls{complaint}"]


@pytest.mark.parametrize(
    ("masks", "complaint"),
    [
        ("5", ": is 5, must be a list"),
        ("[0.1, 0.2]", ": must be a list of polygons, each a list of [x, y] corners"),
        (
            "[[[0, 0], [1, 1], [640, 1]]]",
            "[0]: corner 3 is [640, 1], x and y must be fractions from 0 to 1, not pixels",
        ),
        ("[[[0, 0], [1, 1], [x, 1]]]", "[0]: corner 3 must be [x, y], two fractions from 0 to 1"),
        ("[[[0, 0], [1, 1], 5]]", "[0]: corner 3 must be [x, y], two fractions from 0 to 1"),
        (
            "[[[0, 0], [1, 1]]]",
            "[0]: has 2 corners, must be at least three corners [x, y] as fractions of the picture, "
            "for example [[0, 0], [0.3, 0], [0, 0.4]]",
        ),
    ],
)
def test_wrong_masks(tmp_path: Path, masks: str, complaint: str) -> None:
    text = MINIMAL + f"    motion: {{masks: {masks}}}\n"
    assert complaints(tmp_path, text) == [f"6: cameras.door.motion.masks{complaint}"]


@pytest.mark.parametrize(
    "text",
    [
        "mqtt: {host: b, password:hunter2}\ncameras: {door: {source: 0}}\n",
        "mqtt: {host: b}\ncameras: {'rtsp://u:hunter2@h/1': {fps: 5}}\n",
        "mqtt: {host: b}\ncameras: {door: {source: 0, ? 'rtsp://u:hunter2@h/1'}}\n",
        "mqtt: {host: b}\ncameras: {door: {source: 0, 'fps: hunter2': 1, 'fps: hunter2': 2}}\n",
        "mqtt: {host: b}\ncameras: {door: {source: 0}, 'password:hunter2': {source: 1}}\n",
        "mqtt: {host: b}\ncameras: {door: {source: 0, motion: {'u:hunter2@h': 1}}, 'u:hunter2@h': 1}\n",
        'mqtt: {host: b}\ncameras: {door: {source: 0, "foo\\nbar\\e[31m": 1}}\n',
    ],
)
def test_keys_that_may_be_passwords_are_not_shown(tmp_path: Path, text: str) -> None:
    found = complaints(tmp_path, text)
    assert found
    assert all("(a key here)" in complaint and complaint.isprintable() for complaint in found)


def test_all_problems_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = (
        "htpp: {port: 80}\n"
        "mqtt:\n  hots: b\n  password: !secret pw\n  port: 0\n"
        "cameras:\n  Front Door: {source: 0}\n  gate:\n    fps: 1\n    fps: 2\n  yard:\n    source: 0\n    fps: 0\n"
    )
    assert [problem.split(": ")[:2] for problem in complaints(tmp_path, text)] == [
        ["1", "htpp"],
        ["3", "mqtt.hots"],
        ["4", "mqtt.password"],
        ["5", "mqtt.port"],
        ["7", "cameras.Front Door"],
        ["8", "cameras.gate.source"],
        ["10", "cameras.gate.fps"],
        ["13", "cameras.yard.fps"],
    ]


CAMERAS = "one section for each camera, for example `front_door: {source: rtsp://192.168.1.20/stream1}`"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ["is empty, must name at least mqtt.host and one camera"]),
        ("# nothing\n", ["is empty, must name at least mqtt.host and one camera"]),
        ("mqtt: {host: b}\n", [f"1: cameras: is missing, must hold {CAMERAS}"]),
        ("mqtt: {host: b}\ncameras:\n", [f"2: cameras: is empty, must hold {CAMERAS}"]),
        ("mqtt: {host: b}\ncameras: {}\n", [f"2: cameras: is empty, must hold {CAMERAS}"]),
        ("mqtt: {host: b}\ncameras: [a]\n", [f"2: cameras: is a list, must hold {CAMERAS}"]),
        ("cameras: {a: {source: 0}}\n", ["1: mqtt.host: is missing, give for example `host: 192.168.1.10`"]),
        (
            "mqtt: {host: b}\ncameras:\n  a:\n  fps: 5\n",
            [
                "3: cameras.a.source: is missing, give for example "
                "`source: rtsp://USER:PASSWORD@192.168.1.20:554/stream1`",
                "4: cameras.fps: stands where a camera's name is due, indent it below the name",
            ],
        ),
        (
            "- a\n",
            [
                "1: must hold sections such as "
                "`node:`, `mqtt:`, `recognition:`, `events:`, `engine:`, `http:` or `cameras:`"
            ],
        ),
    ],
)
def test_files_that_lack_the_essential(tmp_path: Path, text: str, complaint: list[str]) -> None:
    assert complaints(tmp_path, text) == complaint


def test_who_has_very_many_problems_is_told_the_first_hundred(tmp_path: Path) -> None:
    file = tmp_path / "camwatch.yml"
    file.write_text("mqtt: {host: x}\ncameras: {a: {source: x.mp4}}\n" + "".join(f"k{n}: 1\n" for n in range(300)))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert len(caught.value.problems) == 101
    assert caught.value.problems[0].startswith(f"{file}:3: k0: unknown key")
    assert caught.value.problems[-1] == f"{file}: has more problems than these"
