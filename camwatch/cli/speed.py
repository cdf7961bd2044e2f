"""`camwatch bench`: how fast this machine is."""

from pathlib import Path
from typing import Annotated

import typer


def bench(
    only: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Of agreement, detect, embed, pipeline, growth, floor, memory, handover, start. [default: all]",
        ),
    ] = None,
    threads: Annotated[
        str, typer.Option(metavar="N,N", help="CPU threads; all is measured for each number given.")
    ] = "1,2",
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Rounds of each comparison at most.")] = 5,
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0, help="For each comparison; five rounds are run anyway.")
    ] = 20.0,
    video: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Own videos and pictures; may be repeated."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH,WxH", help="Picture sizes. [default: 640x360,1280x720,1920x1080]")
    ] = None,
    min_face: Annotated[
        str | None, typer.Option(metavar="N,N", help="Smallest faces, pixels. [default: 20,40,60,80]")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Of tensorflow, openvino, jax. [default: the first two]")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="NAMES", help="float32, bfloat16 or both. [default: the faster]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object in place of the tables.")] = False,
) -> int:
    """Measure each stage on this machine, beside the plain packages."""
    from camwatch.tools.bench.command import bench as command

    return command(
        only=only,
        threads=threads,
        rounds=rounds,
        seconds=seconds,
        videos=video or [],
        sizes=size,
        min_faces=min_face,
        runtimes=runtime,
        precisions=precision,
        json_output=json,
    )
