"""All kinds of bad input."""

from importlib import import_module

from tests.badinput.kind import Kind

MODULES = {
    "configuration": "configuration",
    "secrets": "configuration",
    "photos": "photos",
    "names": "names",
    "name files": "names",
    "embeddings": "gallery",
    "folders of photos": "gallery",
    "classifier": "models",
    "network weights": "models",
    "state files": "state",
    "database": "database",
    "MQTT packets": "broker",
    "MQTT commands": "broker",
    "HTTP": "web",
    "recordings": "recordings",
}
"""In which module each is."""


def kind_called(name: str) -> Kind:
    """The kind of this name; only its module is imported, with what that reads with."""
    module = import_module(f"tests.badinput.{MODULES[name]}")
    kinds: tuple[Kind, ...] = module.KINDS
    return next(kind for kind in kinds if kind.name == name)


def every_kind() -> list[Kind]:
    """All of them, in the order of the table."""
    return [kind_called(name) for name in MODULES]
