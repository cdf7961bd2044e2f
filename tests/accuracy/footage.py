"""Figures of accuracy that a fresh machine can measure, on the footage that the set-up installs.

A man and a woman are enrolled with three frames of a clip each. They are searched for in other clips and pictures, and
nine people who are not enrolled are searched with: all of it as a camera sees it, in poor frames.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from camwatch.engine.alignment import crop
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import enroll_photo, read_photo
from camwatch.geometry import grow
from camwatch.identification.evidence import Pool
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.pipeline import observe
from camwatch.records import Embedding, Enrolled, EventType, Frame, Picture
from tests.accuracy.degraded import frames as poor
from tests.accuracy.kit import waits, watch
from tests.conftest import Footage
from tests.tools.pictures import frames, save

_ENROLLED = {"man": ("single_face.mp4", (0, 30, 60)), "woman": ("WolfgangLanger_Pexels.mp4", (0, 60, 120))}
_PORTRAITS = ("0-f1-su-ph.jpg", "0-f15-hao-ph.jpg", "15-f13-anc-ph.jpg", "45-m7-di-ph.jpg")
_FRAMES = 5
_MIN_FACE = 20


def figures(analyzer: FaceAnalyzer, footage: Footage, folder: Path) -> dict[str, float]:
    """All figures by name.

    Args:
        analyzer: Measured with it.
        footage: The clips and pictures.
        folder: For the photos that are enrolled.
    """
    rule = Recognizer(Gallery(_enrolled(analyzer, footage, folder), analyzer.network))
    group = read_photo(footage.path("multi_face.jpg"))
    [faces] = analyzer.detect([group], _MIN_FACE)
    searched = {
        "man": [read_photo(footage.path("single_face.jpg")), *frames(footage.path("noface_face.mov"), (120, 150))],
        "woman": frames(footage.path("WolfgangLanger_Pexels.mp4"), (236, 350, 460)),
        "": [crop(group, grow(face.box, 1.2)) for face in faces] + [read_photo(footage.path(n)) for n in _PORTRAITS],
    }
    told = {"faces found in the group": float(len(faces))}
    for person, pictures in searched.items():
        told |= _searched(analyzer, rule, person, pictures)
    watched = watch(analyzer, footage.path("noface_face.mov"), rule)
    names = [event.person for event in watched.events if event.event_type is EventType.RECOGNIZED]
    told["clip: visits named rightly"] = float(names.count("man"))
    told["clip: other names"] = float(len(names) - names.count("man"))
    told["clip: seconds from the first usable face to the name"] = max(waits(watched.events), default=np.inf)
    return told


def _enrolled(analyzer: FaceAnalyzer, footage: Footage, folder: Path) -> list[Enrolled]:
    return [
        enroll_photo(analyzer, person, save(picture, folder / f"{person}{number}.png"), strict=True)
        for person, (clip, numbers) in _ENROLLED.items()
        for number, picture in enumerate(frames(footage.path(clip), numbers))
    ]


def _searched(analyzer: FaceAnalyzer, rule: Recognizer, person: str, pictures: Sequence[Picture]) -> dict[str, float]:
    """Figures of one person's pictures, or of strangers' where it is nobody enrolled."""
    seen = [_embedded(analyzer, picture, number) for number, picture in enumerate(pictures)]
    pools = [Pool() for _ in seen]
    for pool, embeddings in zip(pools, seen, strict=True):
        for embedding in embeddings:
            pool.add(embedding)
    single = [rule.identify(embedding) for embeddings in seen for embedding in embeddings]
    pooled = [rule.identify(pool.mean) for pool in pools if pool.mean is not None]
    label = person or "strangers"
    told = {f"{label}: faces found in poor frames, share": len(single) / (_FRAMES * len(pictures))}
    for kind, found in (("one frame", single), ("pooled", pooled)):
        names = [one.person for one in found]
        scores = [one.best.score for one in found if one.best is not None and person in ("", one.best.person)]
        if person:
            told[f"{label}, {kind}: named rightly, share"] = names.count(person) / len(names)
            told[f"{label}, {kind}: likeness, mean"] = float(np.mean(scores))
        else:
            told[f"{label}, {kind}: named, share"] = sum(name is not None for name in names) / len(names)
            told[f"{label}, {kind}: likeness, highest"] = max(scores)
    return told


def _embedded(analyzer: FaceAnalyzer, picture: Picture, number: int) -> list[Embedding]:
    """The face of a picture in poor frames, as far as it is found in them."""
    [found] = analyzer.detect([picture], _MIN_FACE)
    height = max(face.box.height for face in found)
    made = islice(poor(picture, height, f"{number} {picture.shape}"), _FRAMES)
    given = [Frame(f"{number} {at}", 0, 0.0, 0.0, None, one) for at, one in enumerate(made)]
    embeddings = []
    for observation in observe(analyzer, given, min_face={one.camera: _MIN_FACE for one in given}):
        usable = [face for face in observation.faces if face.embedding is not None]
        if usable:
            largest = max(usable, key=lambda one: one.detection.box.height)
            embeddings.append(largest.embedding)
    return [embedding for embedding in embeddings if embedding is not None]
