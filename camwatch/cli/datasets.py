"""Commands over a folder of pictures per person: align, train, classify, evaluate."""

from pathlib import Path
from typing import Annotated

import typer

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


def evaluate(
    dataset: _Dataset,
    aligned: _Aligned = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write figures, plots and a page there."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object in place of the tables.")] = False,
    false_alarm_rate: Annotated[
        float, typer.Option(min=0.0001, max=0.1, help="Make thresholds for this share of strangers.")
    ] = 0.01,
    galleries: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Random galleries of each size.")
    ] = 200,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the random choices.")] = 0,
    min_images_per_class: Annotated[
        int, typer.Option(metavar="N", min=1, help="Leave out people with fewer pictures.")
    ] = 1,
    train_images_per_class: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Closed set: pictures of each person to enroll. [default: half of them]"),
    ] = None,
) -> int:
    """Measure how well people are told apart, and from strangers."""
    from camwatch.tools.evaluate.command import evaluate as command

    return command(
        dataset,
        aligned=aligned,
        report=report,
        json_output=json,
        rate=false_alarm_rate,
        galleries=galleries,
        seed=seed,
        min_images_per_class=min_images_per_class,
        train_images_per_class=train_images_per_class,
    )
