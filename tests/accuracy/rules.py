"""Open-set rules side by side, on the same embeddings: camwatch's own, and those that others publish.

A rule says of each probe who of the gallery it is most likely, and a score that a threshold can be laid through. What
is known of the others is told, with its sources, in docs/accuracy.md; only their rules are here, not their networks,
alignment or detectors. They enroll photos as they are; camwatch and the plain rules enroll mirror images, too.
"""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import trim_mean
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from camwatch.identification.centre import centre_of, centred
from tests.accuracy.faces import Seen
from tests.accuracy.galleries import Photos

Answer = tuple[NDArray[np.int64], NDArray[np.float64]]
"""(n,) the number in the gallery of who is most likely, and (n,) how much so."""
Rule = Callable[[Photos, Seen], Answer]

FRIGATE_NAMED, FRIGATE_UNKNOWN = 0.9, 0.8
COMPREFACE_NAMED = 0.5
_FRIGATE_SLOPE, _FRIGATE_MIDDLE, _FRIGATE_AREA, _FRIGATE_TRIM = 20.0, 0.5, 4000.0, 0.15
_FRIGATE_BLUR = ((80.0, 0.05), (100.0, 0.03), (150.0, 0.01))  # below this variance so much less
_COMPREFACE = (1.1817961, 5.291995557)  # for these very weights of FaceNet
_VOTES = 3


def camwatch(photos: Photos, seen: Seen) -> Answer:
    """The product's templates and centre; `Recognizer.identify` for many probes at once."""
    gallery = photos.recognizer(0.01).gallery
    return _best(centred(seen.pooled, centre_of(photos.network)) @ gallery.templates.T)


def cosine_to_mean(photos: Photos, seen: Seen) -> Answer:
    """Cosine to the mean of a person's photos and their mirror images, around the origin."""
    means = np.stack([_unit(photos.embeddings[photos.owner == one].sum(axis=(0, 1))) for one in range(photos.people)])
    return _best(seen.pooled @ means.T)


def nearest_photo(photos: Photos, seen: Seen) -> Answer:
    """Cosine to the most similar photo."""
    scores = seen.pooled @ _unit(photos.embeddings.sum(axis=1)).T
    nearest = scores.argmax(axis=1)
    return photos.owner[nearest], scores[np.arange(len(scores)), nearest].astype(np.float64)


def vote(photos: Photos, seen: Seen) -> Answer:
    """The three nearest photos vote, each with its cosine; the score is the winner's share of three whole votes."""
    scores = seen.pooled @ _unit(photos.embeddings.sum(axis=1)).T
    nearest = np.argsort(-scores, axis=1)[:, :_VOTES]
    votes = np.zeros((len(scores), photos.people))
    for column in nearest.T:
        votes[np.arange(len(votes)), photos.owner[column]] += scores[np.arange(len(votes)), column] / _VOTES
    return _best(votes)


def lead(photos: Photos, seen: Seen) -> Answer:
    """How far the most similar person is before the next; alone, nobody is."""
    means = np.stack([_unit(photos.embeddings[photos.owner == one].sum(axis=(0, 1))) for one in range(photos.people)])
    scores = seen.pooled @ means.T
    best, score = _best(scores)
    scores[np.arange(len(scores)), best] = -1.0
    return best, score - scores.max(axis=1)


def svc(photos: Photos, seen: Seen) -> Answer:
    """The highest class probability of a linear support vector classifier on the photos: how camwatch began."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that scikit-learn will drop `probability`, and that classes are small
        model = SVC(kernel="linear", probability=True, random_state=0).fit(photos.embeddings[:, 0], photos.owner)
        return _best(model.predict_proba(seen.pooled))


def logistic(photos: Photos, seen: Seen) -> Answer:
    """The highest class probability of a logistic regression on the rows of the photos."""
    rows = photos.embeddings.reshape(-1, photos.embeddings.shape[-1])
    owner = np.repeat(photos.owner, photos.embeddings.shape[1])
    return _best(LogisticRegression(C=10.0, max_iter=200).fit(rows, owner).predict_proba(seen.pooled))


def frigate(photos: Photos, seen: Seen, *, unknown: float = 0.0) -> Answer:
    """Frigate: a confidence out of the cosine for each frame, less where it is blurred; weighted votes of the frames.

    Args:
        photos: Of the gallery.
        seen: The probes; every frame of one is searched on its own.
        unknown: Frames below this confidence have no vote. Its default is .8; none lets a threshold be laid anywhere.
    """
    each = [photos.embeddings[photos.owner == one, 0] for one in range(photos.people)]
    means = np.stack([_unit(trim_mean(rows, _FRIGATE_TRIM)) for rows in each])
    cosine = np.einsum("nkd,gd->nkg", seen.embeddings, means, optimize=True)
    name = cosine.argmax(axis=2)
    less = np.zeros_like(seen.blur)
    for below, reduction in reversed(_FRIGATE_BLUR):
        less = np.where(seen.blur < below, reduction, less)
    confidence = expit(_FRIGATE_SLOPE * (cosine.max(axis=2) - _FRIGATE_MIDDLE)) - less
    if unknown:
        confidence = confidence.round(2)  # as published; it would hide the order of those that are nearly sure
    weight = np.minimum(seen.area, _FRIGATE_AREA) * np.maximum(confidence - unknown, 0.0)
    voted = np.where(confidence > unknown, weight, 0.0)
    rows = np.arange(len(name))
    sums, weights, counts = (np.zeros((len(name), photos.people)) for _ in range(3))
    for column in range(name.shape[1]):
        sums[rows, name[:, column]] += voted[:, column] * confidence[:, column]
        weights[rows, name[:, column]] += voted[:, column]
        counts[rows, name[:, column]] += confidence[:, column] > unknown
    best, _ = _best(sums)
    tied = (counts == counts[rows, best][:, None]).sum(axis=1) > 1
    score = sums[rows, best] / np.maximum(weights[rows, best], 1e-12)
    return best, np.where(tied, 0.0, score)


def compreface(photos: Photos, seen: Seen) -> Answer:
    """CompreFace: the nearest photo, its distance turned into a similarity by the coefficients of these weights."""
    scores = seen.pooled @ photos.embeddings[:, 0].T
    nearest = scores.argmax(axis=1)
    distance = np.sqrt(np.maximum(2 - 2 * scores[np.arange(len(scores)), nearest].astype(np.float64), 0.0))
    middle, slope = _COMPREFACE
    return photos.owner[nearest], (np.tanh((middle - distance) * slope) + 1) / 2


RULES: dict[str, Rule] = {
    "camwatch": camwatch,
    "cosine to the mean": cosine_to_mean,
    "nearest photo": nearest_photo,
    "vote of three": vote,
    "lead": lead,
    "Frigate": frigate,
    "CompreFace": compreface,
}
FITTED: dict[str, Rule] = {"SVC": svc, "logistic": logistic}
"""Those that take longer, and need two people."""


def _best(scores: NDArray[np.floating]) -> Answer:
    best = scores.argmax(axis=1)
    return best, scores[np.arange(len(scores)), best].astype(np.float64)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
