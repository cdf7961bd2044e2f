"""Commands around the daemon: demo, run, check, schema."""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

_ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration file (YAML).")]


def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep running, and print the addresses of broker and metrics.")
    ] = False,
) -> int:
    """Show the daemon at work on built-in footage."""
    from camwatch.tools.demo import demo as command

    return command(serve=serve)


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


def check(
    config: _ConfigFile,
    probe: Annotated[bool, typer.Option("--probe", help="Also open each camera and log in to the broker.")] = False,
) -> int:
    """Validate a configuration and print it in full."""
    from camwatch.tools.check import check as command

    return command(config, probe=probe)


def schema() -> int:
    """Print the JSON Schema of the configuration, for editors."""
    from camwatch.tools.schema import schema as command

    return command()
