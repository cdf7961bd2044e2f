"""`camwatch classify`: name the faces of a dataset with a trained classifier, and say how often it was right."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.weights import FACENET_NETWORK
from camwatch.errors import PhotoError
from camwatch.identification.classifier import Classifier, Prediction
from camwatch.tools.dataset import (
    Embedded,
    FaceNetworks,
    embed_dataset,
    read_dataset,
    split_dataset,
    without_copies,
)
from camwatch.tools.progress import Steps


def classify(
    dataset: Path,
    model: Path,
    *,
    aligned: bool,
    split: bool,
    min_images_per_class: int,
    train_images_per_class: int,
    json_output: bool,
    analyzer: FaceNetworks | None = None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
) -> int:
    """Classify each picture of a dataset; the accuracy is that of the people whom the model knows.

    Args:
        dataset: One folder of pictures per person.
        model: What `train` wrote.
        aligned: The pictures are crops, as `align` makes them.
        split: Leave out the pictures that `train` with the same options trained on.
        min_images_per_class: With `split`, people with fewer pictures are left out.
        train_images_per_class: With `split`, how many pictures of each person were for training.
        json_output: One JSON object in place of the lines.
        analyzer: Finds and embeds faces; loaded here by default.
        results: Where lines or JSON go; stdout by default.
        notes: Where the rest goes; stderr by default.

    Returns:
        The exit status.

    Raises:
        ModelError: The model is missing, damaged or made for another network.
        InputError: There is nothing to classify.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    classifier = Classifier.load(model, network=analyzer.network if analyzer is not None else FACENET_NETWORK)
    problems: list[str] = []
    people = read_dataset(dataset, problems.append)
    if split:
        people = without_copies(people, problems.append)  # as `train` does before
        _, people = split_dataset(people, least=min_images_per_class, train=train_images_per_class)
    photos = [photo for person in people for photo in person.photos]
    with Steps("embedding", len(photos), stream=notes) as steps:
        for problem in problems:
            steps.note(problem)
        for person in people:
            if not person.photos:
                steps.note(f"no picture of {person.name} is left to test with")
        embedded = embed_dataset(
            analyzer or FaceAnalyzer(), photos, aligned=aligned, note=steps.skipped, done=steps.advance
        )
    if not embedded:
        raise PhotoError(f"{dataset}: no picture with a face to classify")
    predictions = classifier.classify(np.stack([one.embedding for one in embedded]))
    strangers = [one.photo.person not in classifier.classes for one in embedded]
    right = sum(one.photo.person == said.person for one, said in zip(embedded, predictions, strict=True))
    accuracy = right / strangers.count(False) if not all(strangers) else None
    if any(strangers):
        taken = sum(said.known for strange, said in zip(strangers, predictions, strict=True) if strange)
        print(
            f"{sum(strangers)} of the pictures are of people whom the model does not know; they do not count for the"
            f" accuracy. {taken} of them would be taken for somebody",
            file=notes,
        )
    if json_output:
        print(json.dumps(_document(classifier, embedded, predictions, accuracy), ensure_ascii=False), file=results)
        return 0
    for number, said in enumerate(predictions):
        print(f"{number:4d}  {said.person.replace('_', ' ')}: {said.confidence:.3f}", file=results)
    if accuracy is None:
        print("no accuracy: the model knows nobody of the dataset", file=notes)
    else:
        print(f"Accuracy: {accuracy:.3f}", file=results)
    return 0


def _document(
    classifier: Classifier, embedded: Sequence[Embedded], predictions: Sequence[Prediction], accuracy: float | None
) -> dict[str, object]:
    return {
        "accuracy": accuracy,
        "threshold": classifier.threshold,
        "images": [
            {
                "path": str(one.photo.path),
                "true": one.photo.person,
                "predicted": said.person,
                "confidence": round(said.confidence, 4),
                "similarity": round(said.score, 4),
                "threshold": round(classifier.threshold, 4),
                "known": said.known,
            }
            for one, said in zip(embedded, predictions, strict=True)
        ],
    }
