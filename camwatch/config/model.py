"""The configuration file: every key with its default, and the one function that reads it.

Only `cli`, `service.app` and the tools import this; the stages take keyword arguments. Keys are documented for users
in `config/camwatch.yml`; the texts below also describe them in `camwatch schema`.
"""

import os
import socket
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from camwatch.capture.address import mask, scheme
from camwatch.capture.trust import ENCRYPTED
from camwatch.config.encryption import CameraTls, Section, Tls
from camwatch.config.fields import Choice, Duration, Number, Place, Secret, Switch, Text, problem
from camwatch.config.places import unreadable, unwritable
from camwatch.config.problems import MOST, explain
from camwatch.config.values import HOST, TOKEN, TOPIC, Mask, Name, Polygon, SourceUrl, Token, is_loopback
from camwatch.config.yamlfile import Document, read
from camwatch.errors import ConfigError
from camwatch.names import slug
from camwatch.publishing import broker as publishing
from camwatch.publishing.broker import Broker

DEFAULT_FACES = Path("/var/lib/camwatch/faces")
DEFAULT_STATE = Path("/var/lib/camwatch/state")

Transport = Literal["tcp", "udp"]
Device = Literal["auto", "cpu", "gpu"]
Runtime = Literal["auto", "tensorflow", "openvino", "jax"]
Precision = Literal["auto", "float32", "bfloat16"]
DiscoveryStyle = Literal["device", "component"]

_Switch = Annotated[bool, Switch()]
_Port = Annotated[int, Number(least=1, most=65535, whole=True)]
_Folder = Annotated[Path, Place("the path of a folder")]
_File = Annotated[Path, Place("the path of a file")]
_Threshold = Annotated[float, Number(least=0, most=1)]
_Rate = Annotated[float, Number(least=0.0001, most=0.1)]
_MinFace = Annotated[int, Number(least=20, most=1000, whole=True)]


def _or_switch(schema: dict[str, Any]) -> None:
    schema["anyOf"].append({"type": "boolean"})


class Mqtt(Section):
    """The broker, and the topics to publish under."""

    host: Annotated[str, HOST] = Field(examples=["192.168.1.10"])
    """Name or address of the broker."""
    port: _Port = 1883
    """Port of the broker; brokers listen with TLS on 8883 as a rule."""
    username: Annotated[str, Text("text")] | None = None
    """Whom to log in as; null logs in as nobody."""
    password: Annotated[SecretStr, Secret()] | None = None
    """The password, best `!secret NAME`."""
    tls: Tls | None = Field(default=None, json_schema_extra=_or_switch)
    """Encryption: true, or a section with the files to use; null is off."""
    topic_prefix: Annotated[str, TOPIC] = "camwatch"
    """What all topics begin with."""
    discovery_prefix: Annotated[str, TOPIC] | None = "homeassistant"
    """Home Assistant's discovery prefix; null turns discovery off."""
    discovery_style: Annotated[DiscoveryStyle, Choice(get_args(DiscoveryStyle))] = "device"
    """`device`, or `component` for Home Assistant before 2024.11."""

    @field_validator("tls", mode="before")
    @classmethod
    def _switched(cls, tls: object) -> object:
        return {True: {}, False: None}[tls] if isinstance(tls, bool) else tls

    @field_validator("password")
    @classmethod
    def _named(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password and "username" in info.data and info.data["username"] is None:
            raise problem("is of no use without mqtt.username, give both or neither")
        return password

    def broker(self) -> Broker:
        """What the publisher needs to reach the broker, the password in clear."""
        tls = self.tls
        return Broker(
            self.host,
            self.port,
            self.username,
            self.password.get_secret_value() if self.password else None,
            publishing.Tls(tls.ca_certs, tls.certfile, tls.keyfile, tls.insecure) if tls else None,
        )


class Recognition(Section):
    """Who is known, and how sure camwatch must be."""

    faces: _Folder = DEFAULT_FACES
    """One folder of photos for each person; watched, and read again without a gap."""
    false_alarm_rate: _Rate = 0.01
    """The share of strangers' visits that may be given a name, 0.0001 to 0.1: what the calibration reaches."""
    threshold: _Threshold | None = None
    """A cosine similarity from 0 to 1 in place of the calibrated one."""
    min_face: _MinFace = 40
    """Height in pixels of the smallest face that is looked for; to be named it needs 30 in any case."""
    ignore: tuple[Annotated[str, Text("the name of a person")], ...] = ()
    """Enrolled people of whom nothing is told, as the postman; nobody else is taken for them, nor they for others."""

    @field_validator("ignore", mode="before")
    @classmethod
    def _some(cls, ignore: object) -> object:
        return () if ignore is None else ignore

    @field_validator("ignore")
    @classmethod
    def _composed(cls, ignore: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(unicodedata.normalize("NFC", name).strip() for name in ignore)


class Retain(Section):
    """How long history is kept."""

    days: Annotated[int, Number(least=1, most=3650, whole=True)] = 14
    """Days that finished visits are kept."""
    snapshots: Annotated[int, Number(least=0, most=1_000_000, whole=True)] = 2000
    """How many snapshots are kept; the oldest go first."""


class Events(Section):
    """When a visit begins and ends, and what is kept of it."""

    visit_gap: Annotated[float, Duration(most=3600)] = 5.0
    """A person gone for less than this is still on the same visit."""
    max_live_age: Annotated[float, Duration(most=86400)] = 10.0
    """Events older than this when sent go to event/late only."""
    state: _Folder = DEFAULT_STATE
    """Where the outbox, the history of visits and the snapshots are."""
    snapshots: _Switch = True
    """Keep and publish a picture of the face for each visit."""
    retain: Retain = Field(default_factory=Retain)
    """How long history is kept."""


class Engine(Section):
    """The networks and the machine they run on."""

    device: Annotated[Device, Choice(get_args(Device))] = "auto"
    """`cpu`, `gpu`, or `auto`: a GPU where there is one."""
    runtime: Annotated[Runtime, Choice(get_args(Runtime))] = "auto"
    """What computes the networks: `tensorflow`, `openvino`, `jax`, or `auto`: the fastest that is installed."""
    precision: Annotated[Precision, Choice(get_args(Precision))] = "auto"
    """`float32`, `bfloat16` (twice as fast where the processor has it), or `auto`: measured at the first start."""
    max_batch: Annotated[int, Number(least=1, most=256, whole=True)] = 16
    """Frames analysed at once, at most."""
    max_wait: Annotated[float, Duration(most=1, zero=True)] = 0.02
    """How long a frame waits for others to share its batch."""
    facenet_weights: _File | None = None
    """Another FaceNet in place of the packaged one: a frozen graph (.pb)."""
    gpu_memory: Annotated[int, Number(least=256, most=1 << 20, whole=True)] | None = None
    """MiB of GPU memory to use at most; null takes what is needed."""
    threads: Annotated[int, Number(least=1, most=1024, whole=True)] | None = None
    """CPU threads of the networks; null for as many as there are cores."""


class Http(Section):
    """Where /metrics, /healthz and /readyz are served."""

    host: Annotated[str, HOST] = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every network, and wants a token."""
    port: _Port = 8470
    """Port to listen on."""
    token: Annotated[SecretStr, Token()] | None = None
    """What /metrics asks for (`Authorization: Bearer TOKEN`), best `!secret NAME`; null asks for nothing."""
    public: _Switch = False
    """true shows /metrics to everybody who reaches `host`, without a token."""

    @model_validator(mode="after")
    def _guarded(self) -> "Http":
        if self.token is not None and self.public:
            raise problem("goes against http.token, leave one of them out", key="http.public")
        if self.token is None and not self.public and not is_loopback(self.host):
            text = f"is missing: {self.host} lets others in. Give {TOKEN}; or public: true lets all read /metrics"
            raise problem(text, key="http.token")
        return self


class Motion(Section):
    """The motion gate: without motion a camera costs next to nothing."""

    enabled: _Switch = True
    """false analyses every frame that is due."""
    floor_fps: Annotated[float, Number(least=0, most=60)] = 0.5
    """Frames analysed per second while nothing moves."""
    masks: tuple[Annotated[Polygon, Mask()], ...] = ()
    """Polygons in which motion does not count: [x, y] corners as fractions of the picture."""

    @field_validator("masks", mode="before")
    @classmethod
    def _listed(cls, masks: object) -> object:
        if isinstance(masks, list) and masks and not isinstance(masks[0], list):
            raise problem("must be a list of polygons, each a list of [x, y] corners")
        return () if masks is None else masks


class Camera(Section):
    """One camera or recording."""

    source: SourceUrl = Field(examples=["rtsp://USER:PASSWORD@192.168.1.20:554/stream1"])
    """An rtsp:// or http:// address, the path of a recording, or the number of a webcam."""
    enabled: _Switch = True
    """false leaves the stream closed."""
    fps: Annotated[float, Number(above=0, most=60)] = 5.0
    """Frames analysed per second."""
    transport: Annotated[Transport, Choice(get_args(Transport))] = "tcp"
    """How RTSP carries the pictures."""
    tls: CameraTls = Field(default_factory=CameraTls)
    """Whose certificate is believed, where the address is rtsps:// or https://."""
    stall_timeout: Annotated[float, Duration(most=600)] = 10.0
    """A camera that is silent for this long is lost, and connected to again."""
    loop: _Switch = False
    """Play a recording again and again."""
    motion: Motion = Field(default_factory=Motion)
    """The motion gate."""
    threshold: _Threshold | None = None
    """recognition.threshold for this camera."""
    min_face: _MinFace | None = None
    """recognition.min_face for this camera."""
    false_alarm_rate: _Rate | None = None
    """recognition.false_alarm_rate for this camera."""

    @field_validator("loop")
    @classmethod
    def _recorded(cls, loop: bool, info: ValidationInfo) -> bool:
        source = info.data.get("source")
        if loop and source is not None and not source.is_file:
            raise problem("only a recording can be played in a loop, leave this key out")
        return loop

    @field_validator("tls")
    @classmethod
    def _encrypted(cls, tls: CameraTls, info: ValidationInfo) -> CameraTls:
        source = info.data.get("source")
        if source is not None and tls != CameraTls() and scheme(source.reveal()) not in ENCRYPTED:
            raise problem("is of use for rtsps:// and https:// only, and the source is neither")
        return tls


class Config(Section):
    """Configuration of camwatch."""

    node: Annotated[str, Name()] = Field(default_factory=lambda: slug(socket.gethostname().partition(".")[0]))
    """What this installation is called in topics; by default the name of the host."""
    mqtt: Mqtt
    """The broker, and the topics to publish under."""
    recognition: Recognition = Field(default_factory=Recognition)
    """Who is known, and how sure camwatch must be."""
    events: Events = Field(default_factory=Events)
    """When a visit begins and ends, and what is kept of it."""
    engine: Engine = Field(default_factory=Engine)
    """The networks and the machine they run on."""
    http: Http = Field(default_factory=Http)
    """Where /metrics, /healthz and /readyz are served."""
    cameras: dict[Annotated[str, Name()], Camera] = Field(
        min_length=1, json_schema_extra={"additionalProperties": False}
    )
    """One section for each camera, under a name of a-z, 0-9, _ and -."""

    _document: Document | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _with_mqtt(cls, data: object) -> object:
        return {"mqtt": None} | data if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _apart(self) -> "Config":
        if self.events.state.is_relative_to(self.recognition.faces):
            text = "lies in recognition.faces, where it would be taken for a person, must be a folder apart"
            raise problem(text, key="events.state")
        return self

    def location(self, key: str) -> str:
        """`FILE:LINE` of a dotted key, or of the nearest section around it that the file names."""
        if self._document is None:
            return "configuration"
        return f"{self._document.file}:{self._document.line(tuple(key.split('.')))}"

    def recognition_for(self, camera: str) -> Recognition:
        """`recognition` with the camera's own keys put in.

        A camera's `false_alarm_rate` goes before the common `threshold`: it asks for a calibrated one again.
        """
        own = self.cameras[camera]
        update: dict[str, Any] = {}
        if own.false_alarm_rate is not None:
            update |= {"false_alarm_rate": own.false_alarm_rate, "threshold": None}
        if own.threshold is not None:
            update["threshold"] = own.threshold
        if own.min_face is not None:
            update["min_face"] = own.min_face
        return self.recognition.model_copy(update=update)

    def resolved(self) -> dict[str, Any]:
        """Every key with the value it has in the end, as plain YAML values; secrets are `***`."""
        data = self.model_dump(mode="json")
        for name, camera in data["cameras"].items():
            own = self.recognition_for(name)
            camera |= own.model_dump(mode="json", include={"threshold", "min_face", "false_alarm_rate"})
        return data


def load(path: Path | str, *, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file. What it names need not exist yet, see `verify`.

    Args:
        path: The YAML file. Relative paths in it begin at its folder.
        environ: For `!env_var`, the process's environment by default.

    Raises:
        ConfigError: All problems of the file at once, in the order of its lines.
    """
    document = read(path, environ=environ)
    if document.data is None and not document.problems:
        raise ConfigError(f"{document.file}: is empty, must name at least mqtt.host and one camera")
    found = list(document.problems)
    config: Config | None = None
    try:
        config = Config.model_validate(document.data, context={"folder": Path(path).parent})
    except ValidationError as error:
        found += explain(error, document, Config)
    if found or config is None:
        found.sort(key=lambda problem: (problem.file != document.file, problem.line))
        told = list(dict.fromkeys(map(str, found)))
        more = [f"{document.file}: has more problems than these"] if len(told) > MOST else []
        raise ConfigError(*told[:MOST], *more)
    config._document = document
    return config


def verify(config: Config) -> list[str]:
    """What is wrong with the files and folders that a configuration names; empty where all is well."""
    faces = config.recognition.faces
    found = {
        "recognition.faces": unreadable(faces, folder=True),
        "events.state": unwritable(config.events.state),
        "engine.facenet_weights": unreadable(config.engine.facenet_weights),
    }
    if found["recognition.faces"] and not os.path.lexists(faces):
        found["recognition.faces"] += f", make it with: camwatch enroll NAME PHOTO --faces {faces}"
    for key in ("ca_certs", "certfile", "keyfile"):
        found[f"mqtt.tls.{key}"] = unreadable(getattr(config.mqtt.tls, key, None))
    for name, camera in config.cameras.items():
        found[f"cameras.{name}.tls.ca_certs"] = unreadable(camera.tls.ca_certs)
        if camera.source.is_file:
            found[f"cameras.{name}.source"] = unreadable(Path(camera.source.reveal()))
    return [f"{config.location(key)}: {key}: {mask(text)}" for key, text in found.items() if text]
