"""When the evidence of a visit suffices for a name, for `unknown`, or for neither."""

from dataclasses import dataclass
from enum import Enum, auto

from camwatch.identification.evidence import Evidence, Fault
from camwatch.records import Condition, Identification

TOO_SHORT = "too_short"
"""Reason of a visit that had too few faces to be decided."""
AMBIGUOUS = "ambiguous"
"""Reason of a visit that is like two enrolled people about as much."""
_TIE = 1e-6  # as like the person as like who is denied: denied


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
        if found.best is not None and _all_met(self.for_name(evidence, found, final=final)):
            return Verdict.NAMED
        return Verdict.UNKNOWN if _all_met(self.for_unknown(evidence, found, final=final)) else Verdict.OPEN

    def for_name(self, evidence: Evidence, found: Identification, *, final: bool = False) -> tuple[Condition, ...]:
        """What a name asks for, and what there is; the arguments are those of `verdict`."""
        return (*self._likeness(evidence, found, final), *self._lead(found))

    def for_unknown(self, evidence: Evidence, found: Identification, *, final: bool = False) -> tuple[Condition, ...]:
        """What `unknown` asks for, and what there is; the arguments are those of `verdict`."""
        late = 2 * self.settled_faces
        missing = (late - evidence.strong) / max(late - self.unknown_faces, 1)
        margin = 0.0 if final else self.unknown_margin * max(missing, 0.0)
        score = None if found.best is None else found.best.score
        unlike = Condition("score", score, found.threshold - margin, below=True)
        if score is not None and found.against is not None and found.against >= score:
            unlike = Condition("denied", score - found.against, _TIE, below=True)
        return (*self._plenty(evidence), unlike)

    def undecided(self, evidence: Evidence, found: Identification | None) -> str:
        """Why a visit ended without a decision: `ambiguous`, `too_small`, `blurred`, `turned_away` or `too_short`.

        Ambiguous: a name it could have had, but for another person who is nearly as similar. Else the commonest thing
        wrong with its faces, where at least half of them had something wrong; else there were too few.
        """
        likely = found is not None and found.best is not None and _all_met(self._likeness(evidence, found, True))
        if found is not None and likely and not _all_met(self._lead(found)):
            return AMBIGUOUS
        wrong = evidence.faults + evidence.weak
        if wrong.total() * 2 < max(evidence.seen, 1):
            return TOO_SHORT
        return str(max(Fault, key=lambda fault: wrong[fault]))

    def faces_needed(self, used: int, poor: int) -> float:
        """How many usable faces a name needs, where so many are, and so many are poor."""
        return min(max(self.name_faces, self.usable_share * (used + poor)), self.enough_faces)

    def _likeness(self, evidence: Evidence, found: Identification, final: bool) -> tuple[Condition, ...]:
        """Evidence enough that it is like the best person."""
        needed = self.faces_needed(evidence.used, evidence.poor)
        missing = (self.settled_faces - evidence.used) / max(self.settled_faces - self.name_faces, 1)
        early = 0.0 if final and _all_met(self._plenty(evidence)) else self.early_margin * max(missing, 0.0)
        score = None if found.best is None else found.best.score
        return (
            Condition("faces", evidence.used, needed),
            Condition("seconds", evidence.span, self.name_span),
            Condition("score", score, found.threshold + early),
        )

    def _lead(self, found: Identification) -> tuple[Condition, ...]:
        """The best person is clearly before the next, and before faces that are known not to be the person's."""
        rivals = (
            ("lead", None if found.runner_up is None else found.runner_up.score),
            ("denied", found.against),
        )
        return tuple(
            Condition(name, None if found.best is None or rival is None else found.best.score - rival, self.name_margin)
            for name, rival in rivals
        )

    def _plenty(self, evidence: Evidence) -> tuple[Condition, ...]:
        """Good faces enough to speak for a stranger."""
        return (
            Condition("good_faces", evidence.strong, self.unknown_faces),
            Condition("seconds", evidence.span, self.unknown_span),
        )


def _all_met(conditions: tuple[Condition, ...]) -> bool:
    return all(condition.met for condition in conditions)
