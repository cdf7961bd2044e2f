"""`camwatch train`: fit a classifier to a dataset of faces."""

import sys
from collections import Counter
from pathlib import Path
from typing import TextIO

import numpy as np

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError
from camwatch.identification.classifier import Classifier
from camwatch.identification.promise import told
from camwatch.tools.dataset import FaceNetworks, embed_dataset, read_dataset, split_dataset, without_copies
from camwatch.tools.progress import Steps

FALSE_ALARM_RATE = 0.01
"""The share of strangers that may be taken for one of the people."""


def train(
    dataset: Path,
    model: Path,
    *,
    aligned: bool,
    split: bool,
    min_images_per_class: int,
    train_images_per_class: int,
    analyzer: FaceNetworks | None = None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
) -> int:
    """Embed the faces of a dataset, fit the classifier, and write it with its templates and threshold.

    Args:
        dataset: One folder of pictures per person.
        model: The file to write.
        aligned: The pictures are crops, as `align` makes them, and are used whole; else the main face is looked for.
        split: Train on the first pictures of each person only, see `split_dataset`.
        min_images_per_class: With `split`, people with fewer pictures are left out.
        train_images_per_class: With `split`, how many pictures of each person are trained on.
        analyzer: Finds and embeds faces; loaded here by default.
        results: Where the numbers go; stdout by default.
        notes: Where the rest goes; stderr by default.

    Returns:
        The exit status.

    Raises:
        InputError: The dataset has no two people with a usable face, or the model cannot be written there.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    if not _writable(model):
        raise InputError(f"{model}: a model cannot be written there")
    problems: list[str] = []
    people = without_copies(read_dataset(dataset, problems.append), problems.append)
    if split:
        people, _ = split_dataset(people, least=min_images_per_class, train=train_images_per_class)
    photos = [photo for person in people for photo in person.photos]
    with Steps("embedding", len(photos), stream=notes) as steps:
        for problem in problems:
            steps.note(problem)
        analyzer = analyzer or FaceAnalyzer()
        embedded = embed_dataset(analyzer, photos, aligned=aligned, note=steps.skipped, done=steps.advance)
    labels = [one.photo.person for one in embedded]
    for name in sorted({person.name for person in people} - set(labels)):
        print(f"left out {name}: no picture with a face", file=notes)
    embeddings = np.stack([one.embedding for one in embedded]) if embedded else np.zeros((0, 512), np.float32)
    fitted = Classifier.fit(embeddings, labels, network=analyzer.network, false_alarm_rate=FALSE_ALARM_RATE)
    fitted.save(model)
    print(f"Number of classes: {len(fitted.classes)}", file=results)
    print(f"Number of images: {fitted.images}", file=results)
    fewest = min(Counter(labels).values())
    limit = fitted.threshold
    said = told(len(fitted.classes), fewest, asked=FALSE_ALARM_RATE, threshold=limit, network=analyzer.network)
    print(f"known from a similarity of {limit:.2f} on{said}", file=notes)
    print(f"wrote {model}", file=notes)
    return 0


def _writable(model: Path) -> bool:
    """Whether it can be the name of a file: a folder, a device or a pipe is not replaced."""
    try:
        return model.parent.is_dir() and (not model.exists() or model.is_file())
    except OSError:  # such as a name that is too long
        return False
