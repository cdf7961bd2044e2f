"""Random galleries out of the stills of a kit: who is found, and how many strangers get a name.

    python -m tests.accuracy.galleries KIT

Two tables, one of single pictures searched by the product's own `Recognizer`, one of how well the threshold keeps its
rate from gallery to gallery. Whoever of a kit's people is not enrolled in a gallery is a stranger to it.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.alignment import chip
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import read_photo
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.records import Enrolled, Quality

_GOOD = Quality(height=100.0, sharpness=100.0, turn=0.0, score=1.0)
_SPARE = 4  # people with many photos who stay strangers, whatever the size
_BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One face for each picture of a kit.

    `embeddings` is (n, 2, 512) float32: the face and its mirror image; `people` (n,) says whose it is, by number.
    `probed` is how many people have pictures enough to be searched for: they are the first numbers.
    """

    embeddings: NDArray[np.float32]
    people: NDArray[np.int64]
    probed: int
    network: str

    def of(self, person: int) -> NDArray[np.int64]:
        """The rows of one person."""
        return np.flatnonzero(self.people == person)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What one gallery said: `own` has the score of the right person, -1 where another was more similar.

    `strangers` has their highest scores, `threshold` is the gallery's.
    """

    own: NDArray[np.float64]
    strangers: NDArray[np.float64]
    threshold: float


def draw(faces: Faces, people: int, photos: int, seed: int, *, rate: float = 0.01) -> Trial:
    """One random gallery: enrolls, then searches for all other pictures of the enrolled, and one of each stranger.

    Args:
        faces: Of the kit.
        people: How many to enroll; where there are not enough with many pictures, people with one photo fill it up.
        photos: How many photos of each.
        seed: Of the random choice.
        rate: The false alarm rate asked for.
    """
    rng = np.random.default_rng([seed, people, photos])
    many = rng.permutation(faces.probed)
    others = rng.permutation(np.arange(faces.probed, faces.people.max() + 1))
    first = min(people, faces.probed - _SPARE)
    chosen, rest = [*many[:first], *others[: people - first]], [*many[first:], *others[people - first :]]
    photographed, probes = [], []
    for person in chosen:
        rows = rng.permutation(faces.of(person))
        photographed += [(str(person), row) for row in rows[:photos]]
        probes += [(str(person), row) for row in rows[photos:] if person < faces.probed]
    enrolled = [Enrolled(name, f"{row}", f"{row}", faces.embeddings[row], _GOOD) for name, row in photographed]
    rule = Recognizer(Gallery(enrolled, faces.network), false_alarm_rate=rate)
    own = [_score(rule, faces.embeddings[row, 0], name) for name, row in probes]
    strangers = [_score(rule, faces.embeddings[rng.choice(faces.of(person)), 0], None) for person in rest]
    return Trial(np.array(own), np.array(strangers), rule.threshold)


def _score(rule: Recognizer, probe: NDArray[np.float32], name: str | None) -> float:
    best = rule.identify(probe).best
    assert best is not None
    return best.score if name in (None, best.person) else -1.0


def read(analyzer: FaceAnalyzer, kit: Path) -> Faces:
    """The largest face of each of a kit's clean stills; pictures without one are left out."""
    lfw = json.loads((kit / "labels.json").read_text())["lfw"]
    pictures = [(person, file) for person, files in lfw["gallery"].items() for file in files]
    pictures += [(one["person"], one["file"]) for one in lfw["probes"]]
    pictures += [(one["true_name"], one["file"]) for one in lfw["unknown"]]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in pictures))}
    people, chips = [], []
    for name, file in pictures:
        picture = read_photo(kit / file)
        [found] = analyzer.detect([picture], 20)
        if found:
            face = chip(picture, max(found, key=lambda one: one.box.width * one.box.height).box)
            people.append(numbers[name])
            chips += [face, face[:, ::-1]]
    rows = [analyzer.embed(np.stack(chips[start : start + _BATCH])) for start in range(0, len(chips), _BATCH)]
    embeddings = np.concatenate(rows).reshape(len(people), 2, -1)
    return Faces(embeddings, np.array(people), len(lfw["gallery"]), analyzer.network)


def found_rows(faces: Faces, galleries: int) -> Iterator[str]:
    """Share found at the one threshold, for all galleries of a size, that names 1 % (0.1 %) of strangers."""
    for photos in (1, 3, 5):
        for people in (1, 3, 10, 20, 60):
            trials = [draw(faces, people, photos, seed) for seed in range(galleries)]
            own, strangers = (
                np.concatenate(each) for each in zip(*((t.own, t.strangers) for t in trials), strict=True)
            )
            shares = [np.mean(own >= np.quantile(strangers, 1 - rate)) for rate in (0.01, 0.001)]
            yield "| {} | {} | {:.1f} ({:.1f}) |".format(photos, people, *(100 * share for share in shares))


def kept_rows(faces: Faces, galleries: int, rate: float) -> Iterator[str]:
    """Strangers named and enrolled people found at the threshold of each gallery, for a rate that is asked for."""
    for photos in (1, 5):
        for people in (1, 3, 10, 20, 60):
            trials = [draw(faces, people, photos, seed, rate=rate) for seed in range(galleries)]
            named = np.array([np.mean(one.strangers >= one.threshold) for one in trials])
            found = np.concatenate([one.own >= one.threshold for one in trials]).mean()
            kept = np.mean(named <= rate)
            yield f"| {rate} | {photos} | {people} | {100 * named.mean():.2f} | {100 * kept:.0f} | {100 * found:.1f} |"


def main(kit: str, galleries: int = 200) -> None:
    """Print both tables."""
    faces = read(FaceAnalyzer(), Path(kit))
    print("| photos | people | % found where 1 % (0.1 %) of strangers are named |")
    print(*found_rows(faces, galleries), sep="\n")
    print("| asked | photos | people | % of strangers named | % of galleries at or below | % found |")
    for rate in (0.05, 0.01):
        print(*kept_rows(faces, galleries, rate), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
