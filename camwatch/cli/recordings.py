"""`camwatch watch`: one video or stream."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def watch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            envvar="CAMWATCH_SOURCE",
            help="A video file, a camera's address or a webcam's number. "
            "The environment variable keeps a password out of the list of processes.",
        ),
    ],
    faces: Annotated[
        Path,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="The gallery: one folder of photos per person."),
    ],
    annotate: Annotated[
        Path | None, typer.Option(metavar="OUT.mp4", dir_okay=False, help="Write the pictures with boxes and names.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Open a window.")] = False,
    fps: Annotated[float, typer.Option(min=0.01, max=60, help="Frames analysed per second.")] = 5.0,
    min_face: Annotated[int, typer.Option(min=20, max=1000, help="Smallest face, pixels.")] = 40,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="A cosine in place of the calibrated threshold.")
    ] = None,
    false_alarm_rate: Annotated[
        float, typer.Option(min=0.0001, max=0.1, help="Share of strangers' visits that may get a name.")
    ] = 0.01,
    ca_certs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Of rtsps:// and https://: whose certificates to trust."
        ),
    ] = None,
    server_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name in the camera's certificate, if not its host.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Check the camera's certificate.")] = True,
) -> int:
    """Print who one video or stream shows, as JSON lines."""
    from camwatch.capture.trust import Trust
    from camwatch.tools.watch import watch as command

    return command(
        source,
        faces,
        trust=Trust(str(ca_certs) if ca_certs else None, server_name, verify),
        annotate=annotate,
        show=show,
        fps=fps,
        min_face=min_face,
        threshold=threshold,
        false_alarm_rate=false_alarm_rate,
        out=sys.stdout,
    )
