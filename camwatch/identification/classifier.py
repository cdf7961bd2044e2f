"""The trained model behind `camwatch train` and `camwatch classify`: which of these people, and is it one at all.

A linear support vector machine, one against the rest, tells the classes apart. Its number is no gate for strangers:
it says which of the enrolled people, given that it is one of them. Whether it is one is told as everywhere else, by
the cosine to the person's template and a threshold; the model carries both.
"""

import hashlib
import io
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from camwatch.arrays import read_arrays
from camwatch.errors import InputError, ModelError
from camwatch.files import from_json, write_whole
from camwatch.identification.calibration import fit_temperature, softmax
from camwatch.identification.centre import centre_of, centred
from camwatch.identification.gallery import unit
from camwatch.identification.recognizer import threshold_for

_VERSION = 1
_LARGEST = 1e9
_OFF_UNIT = 0.01


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one face.

    Attributes:
        person: The most likely class.
        confidence: 0..1, the class's share among all classes: softmax of the margins over a temperature that
            cross-validation chose. It presumes that the face is of one of the classes.
        score: Cosine to the class's template, around the network's centre as everywhere.
        known: Whether `score` reaches the model's threshold; if not, the face is probably a stranger's.
    """

    person: str
    confidence: float
    score: float
    known: bool


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A fitted model; `fit` or `load` make one.

    Attributes:
        classes: Names, in alphabetical order.
        network: Id of the network that made the embeddings.
        weights, bias: (classes, dimensions) and (classes,) float64: margins are embeddings @ weights.T + bias.
        templates: (classes, dimensions) float32, unit rows, as the network has them: the centre is taken off later.
        temperature: Margins are divided by it before the softmax.
        threshold: Cosine to the template from which on a face is of the class.
        images: How many embeddings the model was fitted on.
    """

    classes: tuple[str, ...]
    network: str
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    templates: NDArray[np.float32]
    temperature: float
    threshold: float
    images: int

    @classmethod
    def fit(
        cls,
        embeddings: NDArray[np.float32],
        labels: Sequence[str],
        *,
        network: str,
        false_alarm_rate: float = 0.01,
    ) -> Self:
        """Fit on faces of two or more people, one or more of each.

        Args:
            embeddings: (n, dimensions) float32, unit rows.
            labels: The n names.
            network: Id of the network that made the embeddings.
            false_alarm_rate: The share of strangers that may be taken for a class; see `recognizer.threshold_for`.

        Raises:
            InputError: There are fewer than two people.
        """
        classes = tuple(sorted(set(labels)))
        if len(classes) < 2:
            only = f"only {classes[0]}" if classes else "nobody"
            raise InputError(f"training needs two or more people, there is {only}")
        targets = np.searchsorted(classes, labels)
        weights, bias = _separate(embeddings, targets, len(classes))
        templates = np.stack(
            [unit(embeddings[targets == row].sum(axis=0, dtype=np.float64)) for row in range(len(classes))]
        )
        temperature = fit_temperature(embeddings, targets, lambda part, their: _separate(part, their, len(classes)))
        limit = threshold_for(len(classes), false_alarm_rate)
        return cls(classes, network, weights, bias, templates, temperature, limit, len(embeddings))

    def classify(self, embeddings: NDArray[np.float32]) -> list[Prediction]:
        """One prediction for each of (n, dimensions) float32 unit rows."""
        margins = embeddings.astype(np.float64) @ self.weights.T + self.bias
        shares = softmax(margins / self.temperature)
        rows = shares.argmax(axis=1)
        centre = centre_of(self.network)
        scores = (centred(embeddings, centre) * centred(self.templates, centre)[rows]).sum(axis=1)
        return [
            Prediction(self.classes[row], float(share[row]), float(score), bool(score >= self.threshold))
            for row, share, score in zip(rows, shares, scores, strict=True)
        ]

    def save(self, path: Path) -> None:
        """Write the model: one `.npz` of arrays and a JSON text, no pickle, whole or not at all, mode 0600.

        Raises:
            ModelError: The file cannot be written.
        """
        weights, bias, templates = self.weights, self.bias, self.templates
        about: dict[str, object] = {
            "version": _VERSION,
            "network": self.network,
            "classes": list(self.classes),
            "temperature": self.temperature,
            "threshold": self.threshold,
            "images": self.images,
        }
        about["sha256"] = _digest({"weights": weights, "bias": bias, "templates": templates}, about)
        text = np.array(json.dumps(about))
        content = io.BytesIO()
        np.savez(content, about=text, weights=weights, bias=bias, templates=templates)
        try:
            write_whole(path, content.getvalue())
        except OSError as error:
            raise ModelError(f"{path}: the model cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: Path, *, network: str) -> Self:
        """Read a model.

        Args:
            path: The file.
            network: Id of the network whose embeddings are to be classified.

        Raises:
            ModelError: No such file, not a model, damaged, of another version or for another network.
        """
        try:
            arrays = read_arrays(path)
            about = from_json(str(arrays.pop("about")))
            version = about["version"]
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file; camwatch train makes a model") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a model, or damaged; camwatch train makes a new one") from error
        if version != _VERSION:
            raise ModelError(f"{path}: model version {version}, this camwatch reads version {_VERSION}; train it anew")
        if about.pop("sha256", None) != _digest(arrays, about):
            raise ModelError(f"{path}: damaged, its checksum does not fit; train it anew")
        if about.get("network") != network:
            made_by = str(about.get("network"))[:80]
            raise ModelError(f"{path}: trained with the network {made_by}, faces are embedded with {network}")
        try:
            return cls._from(arrays, about)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise ModelError(f"{path}: not a whole model; train it anew") from error

    @classmethod
    def _from(cls, arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Self:
        """What a file says, where it fits together: a checksum proves only that it is as somebody wrote it.

        Raises:
            ValueError, KeyError, TypeError, OverflowError: It does not.
        """
        classes = tuple(about["classes"])
        weights, bias, templates = (arrays[name] for name in ("weights", "bias", "templates"))
        model = cls(
            classes,
            about["network"],
            weights,
            bias,
            templates,
            float(about["temperature"]),
            float(about["threshold"]),
            int(about["images"]),
        )
        shapes = weights.shape == templates.shape and bias.shape == (len(classes),) and weights.ndim == 2
        kinds = [part.dtype.str for part in (weights, bias, templates)] == ["<f8", "<f8", "<f4"]
        names = len(set(classes)) == len(classes) >= 2 and all(isinstance(name, str) for name in classes)
        if not (shapes and kinds and names and len(weights) == len(classes)):
            raise ValueError("parts that do not fit together")
        values = all((np.abs(part) < _LARGEST).all() for part in (weights, bias))  # written such that NaN fails
        lengths = (np.abs(np.linalg.norm(templates, axis=1) - 1) < _OFF_UNIT).all()
        if not (values and lengths and 0 < model.temperature < math.inf and -1 <= model.threshold <= 1):
            raise ValueError("values that no training gives")
        return model


def _separate(
    embeddings: NDArray[np.float32], targets: NDArray[np.intp], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases of the linear machine, one row for each class; a class without a face gets none."""
    from sklearn.svm import LinearSVC  # takes a second to import, and only training needs it

    present = np.unique(targets)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # one photo each is fine
        machine = LinearSVC(C=1.0, class_weight="balanced", random_state=0).fit(embeddings, targets)
    coefficients, intercepts = np.asarray(machine.coef_), np.asarray(machine.intercept_)
    if len(present) == 2:  # one row then, for the second class
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.hstack([-intercepts, intercepts])
    weights = np.zeros((classes, embeddings.shape[1]))
    bias = np.full(classes, -1.0)
    weights[present], bias[present] = coefficients, intercepts
    return weights, bias


def _digest(arrays: dict[str, NDArray[Any]], about: dict[str, object]) -> str:
    """SHA-256 over the arrays, with their shapes, and all that is said about them."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
