"""Why an event says what it says: put together at the moment of the decision, for `camwatch explain`."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from camwatch.identification.decision import Rule
from camwatch.identification.evidence import Evidence
from camwatch.identification.recognizer import Recognizer
from camwatch.names import name_digest
from camwatch.records import Account, Candidate, Identification

MOST = 5
"""People, and photos, that are named."""
UNTOLD = "somebody to be ignored"
"""In place of the name of a person of whom nothing is to be told."""
NOT_NEEDED = "known_already"
"""Why a face was not used that had no fault."""


def account(
    evidence: Evidence,
    found: Identification | None,
    recognizer: Recognizer,
    rule: Rule,
    *,
    taken: Set[str],
    threshold: float,
    threshold_from: str,
    final: bool,
) -> Account:
    """All that was known of a visit when an event told of it.

    Args:
        evidence: The faces of the visit.
        found: Its latest search, None before the first usable face.
        recognizer: Who is enrolled.
        rule: What decisions ask for.
        taken: Who it cannot be; who is no longer enrolled is not told.
        threshold: The threshold in force.
        threshold_from: Where it came from, see `Account`.
        final: The visit ends.
    """
    gallery, untold, pooled = recognizer.gallery, recognizer.ignored, evidence.pool.mean
    judged = found or Identification(None, None, None, threshold)
    gone = judged.best is None and judged.person is not None  # named, and not enrolled any more
    candidates = [] if pooled is None or gone else _candidates(gallery.search(pooled), judged, taken)
    scores = [[gallery.score(face.embedding, one.person) or 0.0 for one in candidates] for face in evidence.kept]
    return Account(
        network=gallery.network,
        people=len(gallery),
        photos=gallery.photos,
        threshold_from=threshold_from,
        pooled=pooled,
        faces=tuple(evidence.kept),
        face_scores=tuple(map(tuple, scores)),
        poor=evidence.poor,
        unused=tuple(_unused(evidence)),
        candidates=tuple(replace(one, person=UNTOLD) if one.person in untold else one for one in candidates),
        rival=judged.runner_up is not None,
        untold=tuple(name_digest(one.person) if one.person in untold else "" for one in candidates),
        taken=tuple(sorted((taken & set(gallery.people)) - untold - {one.person for one in candidates})),
        against=judged.against,
        photos_near=() if pooled is None or gone else tuple(gallery.nearest_photos(pooled, MOST, without=untold)),
        naming=rule.for_name(evidence, judged, final=final),
        unknown=rule.for_unknown(evidence, judged, final=final),
    )


def _unused(evidence: Evidence) -> Iterator[tuple[str, int]]:
    """How many faces were not pooled, by cause; the last are those that were not worth an embedding any more."""
    for fault, count in sorted(evidence.faults.items()):
        yield str(fault), count
    rest = evidence.seen - evidence.used - evidence.faults.total()
    if rest > 0:
        yield NOT_NEEDED, rest


def _candidates(found: Iterable[Candidate], judged: Identification, taken: Set[str]) -> list[Candidate]:
    """The most similar people; first the one who was judged and the runner-up, whoever else is more similar."""
    first = [one for one in (judged.best, judged.runner_up) if one is not None]
    named = {one.person for one in first} | taken
    return (first + [one for one in found if one.person not in named])[:MOST]
