"""`camwatch check`: is the configuration right, is what it names there, and do cameras and broker answer?"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import yaml

from camwatch.config.model import Camera, Config, Mqtt, Recognition, load, verify
from camwatch.engine.weights import FACENET_NETWORK, facenet_network, file_sha256
from camwatch.errors import CamwatchError, ConfigError, SourceLost, WeightsError
from camwatch.identification.evidence import SMALLEST
from camwatch.identification.faces import scan
from camwatch.identification.promise import told
from camwatch.identification.recognizer import visit_threshold_for

PROBES_AT_ONCE = 8
BROKER_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one camera or the broker."""

    name: str
    ok: bool
    text: str


def check(path: Path, *, probe: bool, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Validate a configuration and print it with every key, secrets masked.

    Args:
        path: The configuration file.
        probe: Also open each enabled camera until its first picture, and log in to the broker.
        out: Where the configuration goes, as YAML; stdout by default.
        err: Where the rest goes; stderr by default.

    Returns:
        The exit status: 1 where something did not answer.

    Raises:
        ConfigError: The file, or a file or folder that it names, is wrong; all problems at once.
    """
    config = load(path)
    problems = verify(config)
    if problems:
        raise ConfigError(*problems)
    out, err = out or sys.stdout, err or sys.stderr
    print(yaml.safe_dump(config.resolved(), sort_keys=False, allow_unicode=True, width=1000), end="", file=out)
    out.flush()
    count = len(config.cameras)
    print(f"{path}: no problems, {count} camera{'s' if count > 1 else ''}", file=err)
    _tell_gallery(config, err)
    for name in config.cameras:
        smallest = config.recognition_for(name).min_face
        if smallest < SMALLEST:
            note = f"min_face is {smallest}, but faces below {SMALLEST:.0f} pixels never count"
            print(f"cameras.{name}: {note}", file=err)
    if not probe:
        return 0
    answers = ask(config)
    width = max(len(answer.name) for answer in answers)
    for answer in answers:
        print(f"{answer.name:{width}}  {'ok    ' if answer.ok else 'FAILED'}  {answer.text}", file=err)
    return 0 if all(answer.ok for answer in answers) else 1


def _tell_gallery(config: Config, err: TextIO) -> None:
    """Who is enrolled by the folder, as far as it can be told without looking for the faces."""
    recognition = config.recognition
    found = scan(recognition.faces, allow_empty=True)
    if not found.people:
        print("recognition.faces: nobody is enrolled yet, so everybody is unknown", file=err)
        return
    photos = Counter(photo.person for photo in found.photos if not photo.negative)
    network = _network(config.engine.facenet_weights)
    everywhere = _needed(recognition, photos, network)
    print(f"recognition: people {len(photos)}, photos {photos.total()}; {everywhere}", file=err)
    for name in config.cameras:
        here = _needed(config.recognition_for(name), photos, network)
        if here != everywhere:
            print(f"cameras.{name}: {here}", file=err)
    nobody = sorted(set(recognition.ignore) - set(photos))
    if nobody:
        print(f"recognition.ignore: nobody enrolled is called {' or '.join(nobody)}", file=err)


def _needed(recognition: Recognition, photos: Counter[str], network: str) -> str:
    """The similarity that a name needs, and what that means; `photos` is how many each person has."""
    own, asked = recognition.threshold, recognition.false_alarm_rate
    limit = visit_threshold_for(len(photos), asked) if own is None else own
    said = told(
        len(photos),
        min(photos.values()),
        asked=asked if own is None else None,
        threshold=limit,
        network=network,
    )
    return f"a name needs {limit:.2f}{said}"


def _network(weights: Path | None) -> str:
    try:
        return FACENET_NETWORK if weights is None else facenet_network(file_sha256(weights))
    except WeightsError:
        return "unreadable"  # which has been told


def ask(config: Config) -> list[Answer]:
    """Ask the broker and every enabled camera, several at once; the answers are in the order of the file."""
    questions: list[tuple[str, Callable[[], str]]] = [("mqtt", partial(_log_in, config.mqtt))]
    for name, camera in config.cameras.items():
        if camera.enabled:
            questions.append((f"cameras.{name}", partial(_first_picture, camera)))
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        return list(pool.map(_answer, *zip(*questions, strict=True)))


def _answer(name: str, question: Callable[[], str]) -> Answer:
    begun = time.monotonic()
    try:
        text = question()
    except CamwatchError as error:
        return Answer(name, False, str(error))
    return Answer(name, True, f"{text}, after {time.monotonic() - begun:.1f} s")


def _log_in(mqtt: Mqtt) -> str:
    from camwatch.publishing.mqtt import probe

    broker = mqtt.broker()
    return f"{broker} speaks MQTT {probe(broker, timeout=BROKER_TIMEOUT)}"


def _first_picture(camera: Camera) -> str:
    from camwatch.capture.source import open_source

    address = camera.source.reveal()
    timeout, trust = camera.stall_timeout, camera.tls.trust()
    with closing(open_source(address, transport=camera.transport, timeout=timeout, trust=trust)) as source:
        for frame in source.frames():
            return f"{frame.width}x{frame.height}"
    raise SourceLost(f"{camera.source}: ended before its first picture", "ended")
