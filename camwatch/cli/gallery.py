"""Commands about the people that are enrolled: enroll, forget."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_FACES = Path("/var/lib/camwatch/faces")
DEFAULT_STATE = Path("/var/lib/camwatch/state")

_Faces = Annotated[Path, typer.Option(metavar="DIR", help="The gallery: one folder of photos per person.")]


def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's name, as events shall say it.")],
    photo: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photos with one good face each.")],
    faces: _Faces,
) -> int:
    """Add photos of a person to the gallery."""
    from camwatch.tools.enroll import enroll as command

    return command(name, photo, faces)


def forget(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's name.")],
    faces: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=f"The gallery. [default: the configuration's, or {DEFAULT_FACES}]"),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=f"The daemon's state. [default: the configuration's, or {DEFAULT_STATE} with the default gallery]",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The daemon's configuration: names both, and the broker to be cleared."),
    ] = None,
) -> int:
    """Erase a person: photos, embeddings, visits, snapshots, retained messages."""
    from camwatch.tools.forget import command

    return command(name, faces=faces, state=state, config=config)
