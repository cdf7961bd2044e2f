"""Whatever is observed, the promises of the event topic hold."""

from hypothesis import given, settings
from hypothesis import strategies as st

from camwatch.identification.visit import Visit
from camwatch.identification.visits import VisitTracker
from camwatch.records import Event, EventType, Face
from tests.identification.scene import START, attended, check_contract, face, frame, like, person, recognizer

PEOPLE = [person(number) for number in range(1, 5)]
EVERYBODY = recognizer(alice=PEOPLE[0], bob=PEOPLE[1])
ONE = recognizer(alice=PEOPLE[0])

VIEWS = [like(who, cosine, 7) for who in PEOPLE for cosine in (0.5, 0.7, 0.95)]


@st.composite
def faces(draw: st.DrawFn) -> Face:
    view = draw(st.sampled_from([None, *VIEWS]))
    return face(
        None if view is None else like(view, draw(st.sampled_from([0.6, 0.9])), draw(st.integers(0, 50))),
        x=draw(st.integers(-20, 660)),
        y=draw(st.integers(-20, 500)),
        height=draw(st.sampled_from([0.5, 20.0, 35.0, 60.0, 100.0, 400.0])),
        turn=draw(st.sampled_from([0.0, 0.0, 0.4, 1.0])),
        sharpness=draw(st.sampled_from([0.0, 8.0, 100.0])),
    )


steps = st.one_of(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.2, 0.2, 0.2, 1.0, 4.0, 6.0, -0.5, -20.0, 1e5]), st.lists(faces(), max_size=4)
    ),
    st.tuples(st.just("stays"), st.integers(0, 3), st.sampled_from([4, 9]), st.sampled_from([100.0, 300.0])),
    st.tuples(st.just("advance"), st.sampled_from([1.0, 6.0, 1e4])),  # it may run ahead of frames that come later
    st.sampled_from(["flush", "one", "everybody"]),
)


class Counted(VisitTracker):
    """Counts the faces that one visit, whose end was told, handed to another."""

    handed_over = 0

    def _join(self, visit: Visit, into: Visit) -> Visit:
        self.handed_over += visit.evidence.seen if visit.public else 0
        return super()._join(visit, into)


@settings(max_examples=150)
@given(st.lists(steps, max_size=40), st.sampled_from([0.3, 5.0]))
def test_events_keep_their_promises(script: list[object], visit_gap: float) -> None:
    watch = Counted("door", EVERYBODY, node="nvr", visit_gap=visit_gap)
    enrolled, now, shown, events = EVERYBODY, 0.0, 0, list[Event]()
    for step in script:
        new: list[Event] = []
        match step:
            case ("advance", float(ahead)):
                new = watch.advance(START + now + ahead)
            case "flush":
                new = watch.flush(START + now)
            case "one" | "everybody":
                enrolled = ONE if step == "one" else EVERYBODY
                watch.replace_recognizer(enrolled)
            case ("stays", int(who), int(count), float(x)):
                for number in range(count):
                    now, shown = now + 0.2, shown + 1
                    new += watch.observe(frame(now, face(like(PEOPLE[who], 0.9, number), x=x)))
            case (float(more), list(seen)):
                now, shown = now + more, shown + len(seen)
                new = watch.observe(frame(now, *seen))
        events += new
        for event in new:
            assert event.threshold == enrolled.limit().threshold, "never that of an earlier gallery"
            assert event.runner_up is None or event.runner_up.person in enrolled.gallery.people
            if event.event_type is EventType.RECOGNIZED:
                assert event.person in enrolled.gallery.people
                assert event.score is not None and event.score >= event.threshold
        present = watch.state().present
        assert len(set(present)) == len(present), "one person is in one place before a camera"
    events += watch.flush(START + now)
    check_contract(events)
    counted = sum(event.faces_seen for event in events if event.event_type is EventType.ENDED)
    assert counted <= shown + watch.handed_over, "a face was counted twice"
    assert watch.state().visits == 0


@settings(max_examples=100)
@given(st.lists(steps, min_size=1, max_size=40), st.integers(1, 4), st.sampled_from([0, 1, float("inf")]))
def test_they_keep_them_however_few_faces_are_embedded(script: list[object], batch: int, late: float) -> None:
    now, seen = 0.0, [frame(0.0)]
    for step in script:
        match step:
            case ("stays", int(who), int(count), float(x)):
                seen += [frame(now + n / 5, face(like(PEOPLE[who], 0.9, n), x=x)) for n in range(1, 3 * count)]
                now = seen[-1].monotonic
            case (float(more), list(shown)):
                now += more
                seen.append(frame(now, *shown))
    events, thinned = attended(VisitTracker("door", EVERYBODY, node="nvr"), seen, batch=batch, late=late)
    check_contract(events)
    assert [len(one.faces) for one in thinned] == [len(one.faces) for one in seen]
