"""The open-set rule: the most similar person, if similar enough for a gallery of this size.

The threshold has to grow with the gallery, because a stranger has more people to resemble by chance; a fixed one is
either deaf with ten people or credulous with a hundred.
"""

import math
from collections.abc import Set
from dataclasses import dataclass

from camwatch.identification.gallery import Gallery
from camwatch.records import Candidate, Embedding, Identification

# Measured on random galleries of 1 to 100 people of LFW, strangers being other people of LFW (FaceNet 512-d, cosine to
# the mean of 1 to 5 photos): the cosine that lets this share of strangers in is offset + slope * log10(people). One
# more is counted than are enrolled. With many that is nothing; with one to three, where it depends on who they are how
# many strangers resemble them, it keeps the rate in nearly every gallery and not only on average.
_COMMON = (0.44, 0.13)  # 1 stranger in 100
_STRICT = (0.57, 0.105)  # 1 stranger in 1000
_LOOSEST_RATE, _STRICTEST_RATE = 0.1, 0.0001  # one decade beyond what was measured, no further
_LOWEST, _HIGHEST = 0.35, 0.90

POOLED_MORE = 0.01
"""What a visit needs more than a single face. The mean of many faces has less noise, which had made strangers less
like everybody, too: the likeness that 5 in 100 of them reach is higher by 0.011 to 0.023 (docs/decisions/019)."""


def threshold_for(people: int, false_alarm_rate: float) -> float:
    """The cosine from which on a probe is given a name.

    Between the two measured rates, 0.01 and 0.001, and up to one decade beyond them, offset and slope run straight in
    the logarithm of the rate, but above 0.01 the slope grows no further; rates further out count as the last. The
    result stays within 0.35 (below it two faces are not even taken for one person in consecutive frames) and 0.90.

    Args:
        people: How many are enrolled; below 1 counts as 1.
        false_alarm_rate: The share of strangers that may be given a name, above 0 and below 1.

    Raises:
        ValueError: The rate is not between 0 and 1.
    """
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate: {false_alarm_rate} is not between 0 and 1")
    rate = min(max(false_alarm_rate, _STRICTEST_RATE), _LOOSEST_RATE)
    decades = -2 - math.log10(rate)  # 0 at 1 in 100, 1 at 1 in 1000
    offset = _COMMON[0] + decades * (_STRICT[0] - _COMMON[0])
    slope = _COMMON[1] + max(decades, 0.0) * (_STRICT[1] - _COMMON[1])
    return min(max(offset + slope * math.log10(max(people, 1) + 1), _LOWEST), _HIGHEST)


def visit_threshold_for(people: int, false_alarm_rate: float) -> float:
    """The cosine from which on the pooled faces of a visit are given a name; the arguments as of `threshold_for`.

    Raises:
        ValueError: The rate is not between 0 and 1.
    """
    return min(threshold_for(people, false_alarm_rate) + POOLED_MORE, _HIGHEST)


@dataclass(frozen=True, slots=True)
class Limit:
    """The cosine in force for visits.

    Attributes:
        threshold: The cosine.
        false_alarm_rate: The rate it was made for, None where the user has set it.
        source: See `Account.threshold_from`.
    """

    threshold: float
    false_alarm_rate: float | None
    source: str


class Recognizer:
    """A gallery with its threshold; immutable, so that a new one can be swapped in between two frames.

    Args:
        gallery: The enrolled people.
        false_alarm_rate: The share of strangers that may be given a name.
        threshold: A cosine that replaces the calibrated threshold.
        ignored: Names of people who are searched for like others, but of whom nothing is told.

    Attributes:
        gallery: As given.
        ignored: Those of them who are enrolled.
        threshold: The cosine for a single face, in force where a search names no other; visits have `limit`.
        false_alarm_rate: The rate the threshold was made for, None where `threshold` was given.
    """

    def __init__(
        self,
        gallery: Gallery,
        *,
        false_alarm_rate: float = 0.01,
        threshold: float | None = None,
        ignored: Set[str] = frozenset(),
    ) -> None:
        """Work out the threshold once."""
        self.gallery = gallery
        self.ignored = ignored & set(gallery.people)
        calibrated = threshold_for(len(gallery), false_alarm_rate)
        self.threshold = calibrated if threshold is None else threshold
        self.false_alarm_rate = false_alarm_rate if threshold is None else None

    def limit(self, threshold: float | None = None, false_alarm_rate: float | None = None) -> Limit:
        """The cosine in force for the visits of a camera.

        Args:
            threshold: The camera's own.
            false_alarm_rate: The camera's own, from which one is worked out; `threshold` goes before it.
        """
        if threshold is not None:
            return Limit(threshold, None, "camera")
        rate = self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        if rate is None:
            return Limit(self.threshold, None, "recognition")
        return Limit(visit_threshold_for(len(self.gallery), rate), rate, "rate")

    @property
    def told(self) -> tuple[str, ...]:
        """The people of whom is told, in alphabetical order."""
        return tuple(person for person in self.gallery.people if person not in self.ignored)

    def identify(
        self, probe: Embedding, threshold: float | None = None, *, without: Set[str] = frozenset()
    ) -> Identification:
        """Search the gallery for one embedding.

        Args:
            probe: (512,) float32, unit length.
            threshold: A cosine for this search alone, such as a camera's own.
            without: People who it cannot be.
        """
        limit = self.threshold if threshold is None else threshold
        found = [one for one in self._search(probe, 2 + len(without)) if one.person not in without]
        best, runner_up = _first_two(self._without_denied(probe, found, limit))
        against = None if best is None else self.gallery.against(probe, best.person)
        named = best is not None and best.score >= limit and (against is None or against < best.score)
        return Identification(best.person if best and named else None, best, runner_up, limit, against)

    def compare(
        self, probe: Embedding, person: str, threshold: float | None = None, *, without: Set[str] = frozenset()
    ) -> Identification:
        """Like `identify` for a person already decided on: `best` is that person, whoever scores highest.

        Args:
            probe: (512,) float32, unit length.
            person: Who was decided on.
            threshold: As of `identify`.
            without: People who are no runner-up, since it could not have been they.

        Returns:
            `best` is None where the person is no longer enrolled.
        """
        score = self.gallery.score(probe, person)
        limit = self.threshold if threshold is None else threshold
        found = [one for one in self._search(probe, 2 + len(without)) if one.person not in without - {person}]
        others = [one for one in self._without_denied(probe, found, limit) if one.person != person]
        best = None if score is None else Candidate(person, score)
        against = self.gallery.against(probe, person)
        return Identification(person, best, others[0] if others else None, limit, against)

    def _search(self, probe: Embedding, most: int) -> list[Candidate]:
        return self.gallery.search(probe, None if self.gallery.has_negatives else most)

    def _without_denied(self, probe: Embedding, found: list[Candidate], limit: float) -> list[Candidate]:
        """Candidates without those of whom it is known that this is somebody else of the gallery.

        Known is who is not meant. So the next candidate is no better than before, unless the very face that denies the
        first shows that one: then the first does not compete.
        """
        likely = next((one for one in found if not self._denied(probe, one)), None)
        if likely is None or likely.score < limit:
            return found
        return [
            one
            for one in found
            if not self._denied(probe, one) or self.gallery.shown_by(probe, one.person) != likely.person
        ]

    def _denied(self, probe: Embedding, candidate: Candidate) -> bool:
        """Whether the probe is more like a face that is known not to be the candidate's."""
        against = self.gallery.against(probe, candidate.person)
        return against is not None and against >= candidate.score


def _first_two(found: list[Candidate]) -> tuple[Candidate | None, Candidate | None]:
    return (found[0] if found else None), (found[1] if len(found) > 1 else None)
