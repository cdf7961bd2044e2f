"""Commands about the people that are enrolled: enroll, forget."""

from pathlib import Path
from typing import Annotated

import typer

from camwatch.cli.output import unfailing_output

DEFAULT_FACES = Path("/var/lib/camwatch/faces")
DEFAULT_STATE = Path("/var/lib/camwatch/state")

_Faces = Annotated[Path, typer.Option(metavar="DIR", help="The gallery: one folder of photos per person.")]


def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's name, as events shall say it.")],
    faces: _Faces,
    photo: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTO...", help="Photos with one good face each.")
    ] = None,
    negative: Annotated[
        bool, typer.Option("--not", help="They show somebody who was taken for the person and is not.")
    ] = False,
    from_event: Annotated[
        str | None, typer.Option(metavar="ID", help="Take the faces of a visit: the id of one of its events.")
    ] = None,
    state: Annotated[Path, typer.Option(metavar="DIR", help="With --from-event: the daemon's state.")] = DEFAULT_STATE,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although they look like somebody else, or the event gave another name.")
    ] = False,
) -> int:
    """Add photos of a person to the gallery, or faces that are not the person."""
    from camwatch.tools.enroll import enroll as command

    with unfailing_output():
        return command(name, photo or [], faces, negative=negative, from_event=from_event, state=state, anyway=anyway)


def explain(
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="As in the event; its beginning will do.")],
    state: Annotated[
        Path, typer.Option(metavar="DIR", help="The daemon's state.", exists=True, file_okay=False)
    ] = DEFAULT_STATE,
    json: Annotated[bool, typer.Option("--json", help="One JSON object in place of the text.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", dir_okay=False, help="Draw the faces of the visit, and the nearest photos."),
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="The gallery, for the photos in the picture."),
    ] = None,
) -> int:
    """Say why an event said what it said."""
    from camwatch.tools.explain.command import explain as command

    return command(event_id, state, json_output=json, picture=picture, faces=faces)


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

    with unfailing_output():
        return command(name, faces=faces, state=state, config=config)
