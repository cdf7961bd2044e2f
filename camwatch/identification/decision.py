"""When the evidence of a visit suffices for a name, for `unknown`, or for neither."""

from dataclasses import dataclass
from enum import Enum, auto

from camwatch.identification.evidence import Evidence, Fault
from camwatch.records import Identification

TOO_SHORT = "too_short"
"""Reason of a visit that had too few faces to be decided."""
AMBIGUOUS = "ambiguous"
"""Reason of a visit that is like two enrolled people about as much."""


class Verdict(Enum):
    """What a visit's evidence says."""

    OPEN = auto()
    NAMED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """How much evidence a decision needs. Times are seconds of captured time.

    A name needs `name_faces` usable faces over `name_span`, and their pooled score at the threshold and `name_margin`
    above the runner-up. The score is tested again with every face, and each test is a chance for a stranger; so the
    first tests ask for more: `early_margin` on top of the threshold, which shrinks to nothing at `settled_faces`.
    Where most faces are too poor to be pooled, a few lucky ones are no name: the usable ones must be `usable_share` of
    all, though `enough_faces` are always enough.

    Where the visit ends with evidence enough for `unknown`, the threshold alone decides between the two.

    `unknown` needs `unknown_faces` good faces over `unknown_span` and a pooled score below the threshold: by
    `unknown_margin` at first, by nothing from twice `settled_faces` on, or at the end of the visit.
    """

    name_faces: int = 3
    name_span: float = 0.25
    name_margin: float = 0.05
    early_margin: float = 0.03
    settled_faces: int = 8
    usable_share: float = 0.2
    enough_faces: int = 10
    unknown_faces: int = 5
    unknown_span: float = 1.0
    unknown_margin: float = 0.10

    def verdict(self, evidence: Evidence, found: Identification, *, final: bool = False) -> Verdict:
        """Judge the evidence of a visit that has no name yet.

        Args:
            evidence: All faces of the visit.
            found: The search with its pooled embedding.
            final: The visit ends: no further face will come.
        """
        if self._is_like(evidence, found, final) and self._ahead(found):
            return Verdict.NAMED
        return Verdict.UNKNOWN if self._unknown(evidence, found, final) else Verdict.OPEN

    def undecided(self, evidence: Evidence, found: Identification | None) -> str:
        """Why a visit ended without a decision: `ambiguous`, `too_small`, `blurred`, `turned_away` or `too_short`.

        Ambiguous: a name it could have had, but for another person who is nearly as similar. Else the commonest thing
        wrong with its faces, where at least half of them had something wrong; else there were too few.
        """
        if found is not None and self._is_like(evidence, found, True) and not self._ahead(found):
            return AMBIGUOUS
        wrong = evidence.faults + evidence.weak
        if wrong.total() * 2 < max(evidence.seen, 1):
            return TOO_SHORT
        return str(max(Fault, key=lambda fault: wrong[fault]))

    def _ahead(self, found: Identification) -> bool:
        """Whether the best person is clearly before the next."""
        if found.best is None or found.runner_up is None:
            return True
        return found.best.score - found.runner_up.score >= self.name_margin

    def _is_like(self, evidence: Evidence, found: Identification, final: bool) -> bool:
        """Whether there is evidence enough that it is like the best person."""
        needed = min(max(self.name_faces, self.usable_share * (evidence.used + evidence.poor)), self.enough_faces)
        if found.best is None or evidence.used < needed or evidence.span < self.name_span:
            return False
        missing = (self.settled_faces - evidence.used) / max(self.settled_faces - self.name_faces, 1)
        early = 0.0 if final and self._is_plenty(evidence) else self.early_margin * max(missing, 0.0)
        return found.best.score >= found.threshold + early

    def _is_plenty(self, evidence: Evidence) -> bool:
        return evidence.strong >= self.unknown_faces and evidence.span >= self.unknown_span

    def _unknown(self, evidence: Evidence, found: Identification, final: bool) -> bool:
        if not self._is_plenty(evidence):
            return False
        if found.best is None:
            return True
        late = 2 * self.settled_faces
        missing = (late - evidence.strong) / max(late - self.unknown_faces, 1)
        margin = 0.0 if final else self.unknown_margin * max(missing, 0.0)
        return found.best.score < found.threshold - margin
