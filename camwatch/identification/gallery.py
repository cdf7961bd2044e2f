"""The enrolled people, as one template each, and the search among them."""

from collections import Counter
from collections.abc import Sequence, Set
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from camwatch.identification.centre import centre_of, centred
from camwatch.records import Candidate, Embedding, Enrolled, NearPhoto

LOOKALIKE = 0.7
"""Similarity from which on two templates are of look-alikes, or of one person."""
SAME_PICTURE = 0.98
"""Similarity from which on two photos show the same moment: frames of one clip, or one picture saved twice."""


class Gallery:
    """An immutable set of people; to change it, make another and swap.

    A person's template is the mean of all the person's embeddings, all views of all photos alike, scaled to unit
    length: every photo counts the same, and one odd photo cannot win a search alone. Templates and probes are compared
    by their cosine around the network's centre, where one is known: see `centre`.

    Args:
        enrolled: Usable photos in any order; several of one person are joined by the name. Negative ones are kept
            apart, each by itself; they make nobody a person of the gallery.
        network: Id of the network that made the embeddings. Embeddings of two networks cannot be compared.

    Attributes:
        people: Names in alphabetical order.
        templates: (people, dimensions) float32, unit rows in the order of `people`, seen from the centre, not writable.
        photos: How many photos there are in all.
        network: As given.

    Raises:
        ValueError: The embeddings of a photo are not a finite (n, dimensions) array, or dimensions differ.
    """

    def __init__(self, enrolled: Sequence[Enrolled], network: str) -> None:
        """Sum up each person's embeddings."""
        rows: dict[str, list[NDArray[np.float32]]] = {}
        usable: list[Enrolled] = []
        negatives: dict[str, list[NDArray[np.float32]]] = {}
        for photo in sorted(enrolled, key=lambda one: (one.person, one.photo, one.sha256)):
            array = np.asarray(photo.embeddings)
            if array.ndim != 2 or not np.isfinite(array).all():
                raise ValueError(f"{photo.photo}: its embeddings, {array.shape}, are no finite (n, dimensions) array")
            if len(array) and photo.negative:
                negatives.setdefault(photo.person, []).append(unit(array.sum(axis=0, dtype=np.float64)))
            elif len(array):
                rows.setdefault(photo.person, []).append(array)
                usable.append(photo)
        self.network = network
        self.people: tuple[str, ...] = tuple(rows)
        self.photos = sum(map(len, rows.values()))
        means = [unit(np.concatenate(rows[person]).sum(axis=0, dtype=np.float64)) for person in self.people]
        self._centre = centre_of(network)
        stacked = np.stack(means) if means else np.zeros((0, 512), np.float32)
        self.templates: NDArray[np.float32] = centred(stacked, self._centre)
        self.templates.setflags(write=False)
        single = [unit(photo.embeddings.sum(axis=0, dtype=np.float64)) for photo in usable]
        self._photos: list[tuple[str, str]] = [(photo.person, photo.photo) for photo in usable]
        self._photo_rows = centred(np.stack(single) if single else np.zeros((0, 512), np.float32), self._centre)

        self._negatives = {
            person: centred(np.stack(found), self._centre) for person, found in negatives.items() if person in rows
        }

    def __len__(self) -> int:
        """How many people are enrolled."""
        return len(self.people)

    def search(self, probe: Embedding, limit: int | None = None) -> list[Candidate]:
        """The people by their similarity to a probe, most similar first.

        Args:
            probe: (dimensions,) float32, unit length.
            limit: At most so many candidates; all people where None.
        """
        if not self.people:
            return []
        scores = self.templates @ self._seen(probe)
        order = np.argsort(-scores, kind="stable")[:limit]
        return [Candidate(self.people[row], float(scores[row])) for row in order]

    def score(self, probe: Embedding, person: str) -> float | None:
        """The similarity of a probe to one person, None where the person is not enrolled."""
        if person not in self.people:
            return None
        return float(self.templates[self.people.index(person)] @ self._seen(probe))

    @property
    def fewest_photos(self) -> int:
        """Photos of the person who has fewest; 0 where nobody is enrolled."""
        return min(Counter(person for person, _ in self._photos).values(), default=0)

    @property
    def has_negatives(self) -> bool:
        """Whether there is a face that is known not to be somebody's."""
        return bool(self._negatives)

    def against(self, probe: Embedding, person: str) -> float | None:
        """The highest similarity of a probe to a face that is known not to be this person's, None where none is."""
        rows = self._negatives.get(person)
        return None if rows is None else float((rows @ self._seen(probe)).max())

    def shown_by(self, probe: Embedding, denied: str) -> str:
        """Who the face shows that denies the probe to be somebody: whose photo is the most similar to it.

        Args:
            probe: (dimensions,) float32, unit length.
            denied: Who has such a face.
        """
        rows = self._negatives[denied]
        nearest = rows[int((rows @ self._seen(probe)).argmax())]
        return self._photos[int((self._photo_rows @ nearest).argmax())][0]

    def nearest_photos(self, probe: Embedding, limit: int, *, without: Set[str] = frozenset()) -> list[NearPhoto]:
        """The photos by their similarity to a probe, most similar first: each by its own views.

        Args:
            probe: (dimensions,) float32, unit length.
            limit: At most so many.
            without: People whose photos are left out.
        """
        scores = self._photo_rows @ self._seen(probe)
        order = np.argsort(-scores, kind="stable").tolist()
        told = (row for row in order if self._photos[row][0] not in without)
        near = ((*self._photos[row], float(scores[row])) for row in islice(told, limit))
        return [NearPhoto(person, photo, score) for person, photo, score in near]

    def lookalikes(self) -> list[tuple[str, str, float]]:
        """Pairs of people whose templates are above .7 alike: twins, or one person under two names.

        Neither of them is named easily, since a name has to be clearly ahead of the next. Among pictures of different
        people of LFW 1 pair in 10,000 was at .68 or above.
        """
        scores = np.triu(self.templates @ self.templates.T, 1)
        pairs = zip(*np.nonzero(scores > LOOKALIKE), strict=True)
        return [(self.people[one], self.people[other], float(scores[one, other])) for one, other in pairs]

    def _seen(self, probe: Embedding) -> Embedding:
        return centred(np.asarray(probe, np.float32), self._centre)


def unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    """The vector at unit length; one without length stays zero and is similar to nothing."""
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 1e-9 else np.zeros_like(vector)).astype(np.float32)
