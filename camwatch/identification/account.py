"""Why an event says what it says: put together at the moment of the decision, for `camwatch explain`."""

from camwatch.identification.decision import Rule
from camwatch.identification.evidence import Evidence
from camwatch.identification.recognizer import Recognizer
from camwatch.records import Account, Identification

MOST = 5
"""People, and photos, that are named."""


def account(
    evidence: Evidence,
    found: Identification | None,
    recognizer: Recognizer,
    rule: Rule,
    *,
    base: float,
    threshold_from: str,
    final: bool,
) -> Account:
    """All that was known of a visit when an event told of it.

    Args:
        evidence: The faces of the visit.
        found: Its latest search, None before the first usable face.
        recognizer: Who is enrolled.
        rule: What decisions ask for.
        base: The threshold in force, whoever the probe is like.
        threshold_from: Where it came from, see `Account`.
        final: The visit ends.
    """
    gallery, pooled = recognizer.gallery, evidence.pool.mean
    judged = found or Identification(None, None, None, base)
    return Account(
        network=gallery.network,
        people=len(gallery),
        photos=gallery.photos,
        threshold_from=threshold_from,
        base=base,
        pooled=pooled,
        faces=tuple(evidence.kept),
        unused=tuple(sorted((str(fault), count) for fault, count in evidence.faults.items())),
        candidates=() if pooled is None else tuple(gallery.search(pooled, MOST)),
        against=judged.against,
        photos_near=() if pooled is None else tuple(gallery.nearest_photos(pooled, MOST)),
        naming=rule.for_name(evidence, judged, final=final),
        unknown=rule.for_unknown(evidence, judged, final=final),
    )
