"""The command line: words to function calls, errors to one line and an exit status.

Only light imports stand at the top, because a console script is read again in every process that it spawns; each
command brings in what it needs.

Exit status: 0 done, 1 failed while running, 2 the user's input is wrong, 130 interrupted.
"""

import io
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from camwatch import __version__
from camwatch.errors import CamwatchError, InputError

DEFAULT_FACES = Path("/var/lib/camwatch/faces")
DEFAULT_STATE = Path("/var/lib/camwatch/state")

app = typer.Typer(
    name="camwatch",
    help="Streaming face recognition for security cameras: RTSP in, MQTT events out.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration file (YAML).")]
_Faces = Annotated[Path, typer.Option(metavar="DIR", help="The gallery: one folder of photos per person.")]
_Dataset = Annotated[
    Path, typer.Argument(metavar="DATASET", exists=True, file_okay=False, help="One folder of pictures per person.")
]
_Aligned = Annotated[bool, typer.Option("--aligned", help="The pictures are face crops made by `align`.")]
_Split = Annotated[bool, typer.Option("--split", help="Train on a part of each person's pictures, test on the rest.")]
_MinImages = Annotated[
    int, typer.Option(metavar="N", min=1, help="With --split: leave out people with fewer pictures.")
]
_TrainImages = Annotated[
    int, typer.Option(metavar="N", min=1, help="With --split: pictures of each person to train on.")
]


@app.callback(invoke_without_command=True)
def _camwatch(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"camwatch {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


@app.command()
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep running, and print the addresses of broker and metrics.")
    ] = False,
) -> int:
    """Show the daemon at work on built-in footage."""
    from camwatch.tools.demo import demo as command

    return command(serve=serve)


@app.command()
def run(
    config: _ConfigFile,
    log_format: Annotated[
        Literal["text", "json"], typer.Option(help="For people, or one JSON object per line.")
    ] = "text",
) -> int:
    """Run the daemon until SIGTERM or Ctrl-C; SIGHUP reads the configuration again."""
    # Until the daemon takes over: a service that is stopped while it starts has done nothing wrong.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Before NumPy is loaded, and inherited by every child: its BLAS would start a thread for each core in each of them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from camwatch.config.model import load

    loaded = load(config)
    from camwatch.service.app import run as command

    return command(loaded, partial(load, config), log_format=log_format)


@app.command()
def check(
    config: _ConfigFile,
    probe: Annotated[bool, typer.Option("--probe", help="Also open each camera and log in to the broker.")] = False,
) -> int:
    """Validate a configuration and print it in full."""
    from camwatch.tools.check import check as command

    return command(config, probe=probe)


@app.command()
def schema() -> int:
    """Print the JSON Schema of the configuration, for editors."""
    from camwatch.tools.schema import schema as command

    return command()


@app.command()
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


@app.command()
def align(
    raw: Annotated[
        Path, typer.Argument(metavar="RAW", exists=True, file_okay=False, help="One folder of photos per person.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", file_okay=False, help="Where the face crops go.")],
    image_size: Annotated[int, typer.Option(min=32, max=1024, help="Edge of the crops, pixels.")] = 160,
    margin: Annotated[
        int, typer.Option(min=0, max=512, help="Around the face, in pixels of the photo, half on each side.")
    ] = 32,
) -> int:
    """Find, crop and write the face of each photo."""
    from camwatch.tools.align import align as command

    return command(raw, out, image_size=image_size, margin=margin)


@app.command()
def train(
    dataset: _Dataset,
    model: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", dir_okay=False, help="Where the recognizer goes.")
    ],
    aligned: _Aligned = False,
    split: _Split = False,
    min_images_per_class: _MinImages = 20,
    train_images_per_class: _TrainImages = 10,
) -> int:
    """Fit a recognizer to a folder per person."""
    from camwatch.tools.train import train as command

    return command(
        dataset,
        model,
        aligned=aligned,
        split=split,
        min_images_per_class=min_images_per_class,
        train_images_per_class=train_images_per_class,
    )


@app.command()
def classify(
    dataset: _Dataset,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="What `train` wrote.")],
    aligned: _Aligned = False,
    split: _Split = False,
    min_images_per_class: _MinImages = 20,
    train_images_per_class: _TrainImages = 10,
    json: Annotated[bool, typer.Option("--json", help="One JSON object in place of the lines.")] = False,
) -> int:
    """Name the person in each picture; print the accuracy."""
    from camwatch.tools.classify import classify as command

    return command(
        dataset,
        model,
        aligned=aligned,
        split=split,
        min_images_per_class=min_images_per_class,
        train_images_per_class=train_images_per_class,
        json_output=json,
    )


@app.command()
def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's name, as events shall say it.")],
    photo: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photos with one good face each.")],
    faces: _Faces,
) -> int:
    """Add photos of a person to the gallery."""
    from camwatch.tools.enroll import enroll as command

    return command(name, photo, faces)


@app.command()
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


@app.command()
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; everything expected that goes wrong becomes a line on stderr.

    Args:
        arguments: The words after the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for the life of the process
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name can be any bytes
    try:
        status = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments), prog_name="camwatch", standalone_mode=False
        )
        sys.stdout.flush()
    except InputError as error:
        return _complain(str(error).splitlines(), 2)
    except CamwatchError as error:
        return _complain(str(error).splitlines(), 1)
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        if error.strerror is None:
            raise
        if error.filename is None:
            _pipe_closed()
            return _complain([f"the output cannot be written: {error.strerror}"], 1)
        return _complain([f"{error.filename}: {error.strerror}"], 1)
    except typer.TyperException as error:
        return _complain([_usage(error)], 2)
    except KeyboardInterrupt:
        return 130
    return status if isinstance(status, int) else 0


def _complain(lines: Sequence[str], status: int) -> int:
    for line in lines:
        print(f"camwatch: {line}", file=sys.stderr)
    return status


def _usage(error: typer.TyperException) -> str:
    """A usage error in one line, with where to read on."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "camwatch"
    message = " ".join(error.format_message().replace("Value error, ", "").split())
    return f"{message.removesuffix('.')} (see {command} --help)"


def _pipe_closed() -> int:
    """Who read our output has enough (`| head`): end quietly, also where Python flushes stdout once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
