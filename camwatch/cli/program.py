"""The program: all commands, what goes wrong as one line, and the exit status.

Only light imports stand at the top, because a console script is read again in every process that it spawns; each
command brings in what it needs.

Exit status: 0 done, 1 failed while running, 2 the user's input is wrong, 130 interrupted.
"""

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from camwatch import __version__
from camwatch.cli import daemon, datasets, gallery, recordings, speed
from camwatch.errors import CamwatchError, InputError

app = typer.Typer(
    name="camwatch",
    help="Streaming face recognition for security cameras: RTSP in, MQTT events out.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for _command in (
    *(daemon.demo, daemon.run, daemon.check, daemon.schema),
    recordings.watch,
    *(datasets.align, datasets.train, datasets.classify, datasets.evaluate),
    *(gallery.enroll, gallery.explain, gallery.forget),
    speed.bench,
):
    app.command()(_command)


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
        return _complain(str(error).splitlines(), 1 if error.failed else 2)
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
    with suppress(OSError):  # where nobody can read it the status still tells
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
