"""Files of the state folder: privacy switches, what the broker keeps, what Home Assistant was told."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

from camwatch.publishing.discovery import Discovery
from camwatch.publishing.kept import Kept
from camwatch.publishing.topics import Topics, check_topic
from camwatch.service.switches import Switches
from tests.badinput.kind import Kind, WrongAnswerError
from tests.badinput.mutants import mutants
from tests.badinput.names import DEEP

SEEDS = [
    b'{"version": 1, "cameras": {"front_door": false, "yard": true}}',
    b'{"version": 1, "topics": {"camwatch/n/person/ann/state": "Ann", "camwatch/n/status": ""}, '
    b'"slugs": {"ann": "Ann"}}',
    b'{"version": 1, "announced": {"homeassistant/device/n/config": {"a": "sensor"}}, "left": '
    b'{"homeassistant/device/n/config": {"b": ["image", 1795486211.5]}}}',
]
WORDS = [b"null", b"[]", b"{}", b'""', b"1e999", b"NaN", b"-Infinity", b'"\\ud800"', b"true", b"[" * 2000, b"9" * 5000]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["version", "cameras", "topics", "slugs", "announced", "left"]
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS[1:]), VALUES, max_size=5).map(
    lambda data: json.dumps({"version": 1, **data}).encode()
)


def _reads(folder: Path) -> Callable[[bytes], None]:
    topics = Topics("camwatch", "n")

    def read(data: bytes) -> None:
        for name in ("switches.json", "kept.json", "discovery.json"):
            (folder / name).write_bytes(data)
        _switches(folder / "switches.json")
        kept = Kept(folder / "kept.json")
        kept.slugs(["Ann", "Bob"])
        kept.set("camwatch/n/person/bob/state", "Bob")
        kept.cleared([*kept.unclaimed(), *kept.showing_others(["Bob"])])
        kept.save()
        for topic in Kept(folder / "kept.json").unclaimed():
            check_topic(topic)
        discovery = Discovery(
            folder / "discovery.json",
            topics=topics,
            cameras=["yard"],
            prefix="homeassistant",
            style="device",
            images=True,
            clock=lambda: 1_795_486_300.0,
        )
        for topic, payload in discovery.announce({"ann": "Ann"}).items():
            check_topic(topic)
            json.loads(payload or b"null")

    return read


def _switches(path: Path) -> None:
    """Nobody's camera goes on by damage: only by a file that says so."""
    raw = path.read_bytes()
    switches = Switches(path, {"front_door": False, "yard": True})
    on = switches.is_on("front_door")
    try:
        said: Any = json.loads(raw)["cameras"]["front_door"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = False
    if on and said is not True:
        raise WrongAnswerError(f"a camera is on because of {said!r}")
    switches.set("yard", False)
    if Switches(path, {"yard": True, "front_door": False}).is_on("yard"):
        raise WrongAnswerError("a switch was not remembered")


def _at_all(random: Random) -> bytes:
    return random.randbytes(random.randrange(60))


KINDS = (
    Kind(
        "state files",
        _reads,
        {"mutants": mutants(SEEDS, words=WORDS), "documents": DOCUMENTS, "noise": _at_all},
        {**DEEP, **{f"good {number}": seed for number, seed in enumerate(SEEDS)}},
        share=3,
    ),
)
