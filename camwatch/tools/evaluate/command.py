"""`camwatch evaluate`: embeds a dataset once, measures, and tells."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

import numpy as np

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError
from camwatch.identification.evaluation import Faces
from camwatch.tools.dataset import (
    Embedded,
    FaceNetworks,
    embed_dataset,
    make_folder,
    read_dataset,
    refuse_within,
    without_copies,
)
from camwatch.tools.evaluate.measure import PARTS, measure
from camwatch.tools.evaluate.report import document, table, write_report
from camwatch.tools.progress import Steps


def evaluate(
    dataset: Path,
    *,
    aligned: bool = False,
    report: Path | None = None,
    json_output: bool = False,
    rate: float = 0.01,
    galleries: int = 200,
    seed: int = 0,
    min_images_per_class: int = 1,
    train_images_per_class: int | None = None,
    analyzer: FaceNetworks | None = None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
) -> int:
    """Measure how well the people of a dataset are told apart, and from strangers.

    Args:
        dataset: One folder of pictures per person.
        aligned: The pictures are crops, as `align` makes them, and are used whole; else the main face is looked for.
        report: A folder for evaluation.json, plots and index.html; made where it is missing.
        json_output: One JSON object in place of the tables.
        rate: The false alarm rate that thresholds are made for.
        galleries: How many random galleries of each size.
        seed: Of all random choices.
        min_images_per_class: People with fewer pictures are left out.
        train_images_per_class: How many pictures of each person the closed set enrolls; half of them where None.
        analyzer: Finds and embeds faces; loaded here by default.
        results: Where the figures go; stdout by default.
        notes: Where the rest goes; stderr by default.

    Returns:
        The exit status.

    Raises:
        InputError: There is nothing to evaluate, or the report cannot be written there.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    if report is not None:
        refuse_within(report, dataset)
    problems: list[str] = []
    everybody = without_copies(read_dataset(dataset, problems.append), problems.append)
    photos = [photo for person in everybody for photo in person.photos]
    count = Counter(photo.person for photo in photos)
    photos = [photo for photo in photos if count[photo.person] >= min_images_per_class]
    if not photos:
        raise InputError(f"--min-images-per-class {min_images_per_class}: nobody has so many pictures")
    if report is not None:
        _make(report)
    with Steps("embedding", len(photos), stream=notes) as steps:
        for problem in problems:
            steps.note(problem)
        analyzer = analyzer or FaceAnalyzer()

        def skipped(path: str, reason: str) -> None:
            problems.append(f"{path}: {reason}")
            steps.skipped(path, reason)

        embedded = embed_dataset(analyzer, photos, aligned=aligned, note=skipped, done=steps.advance)
    if not embedded:
        raise InputError(f"{dataset}: no picture with a face to evaluate")
    faces = _faces(embedded, analyzer.network)
    paths = tuple(one.photo.path.relative_to(dataset).as_posix() for one in embedded)
    with Steps("measuring", PARTS, stream=notes) as steps:
        found = measure(
            faces,
            paths,
            rate=rate,
            galleries=galleries,
            seed=seed,
            train=train_images_per_class,
            skipped=tuple(problems),
            done=steps.advance,
        )
    if json_output:
        print(json.dumps(document(found), ensure_ascii=False), file=results)
    else:
        print(table(found), file=results)
    if report is not None:
        write_report(report, found)
        print(f"wrote {report / 'index.html'}", file=notes)
    return 0


def _make(report: Path) -> None:
    if find_spec("matplotlib") is None:
        raise InputError("--report draws with matplotlib, which is not here: pip install 'camwatch[plots]'")
    make_folder(report)


def _faces(embedded: Sequence[Embedded], network: str) -> Faces:
    names = sorted({one.photo.person for one in embedded})
    numbers = {name: number for number, name in enumerate(names)}
    return Faces(
        embeddings=np.stack([one.embedding for one in embedded]),
        probes=np.stack([one.single for one in embedded]),
        people=np.array([numbers[one.photo.person] for one in embedded], np.intp),
        names=tuple(names),
        heights=np.array([np.nan if one.height is None else one.height for one in embedded]),
        network=network,
    )
