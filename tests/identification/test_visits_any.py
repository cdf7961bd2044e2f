"""Whatever is observed, the promises of the event topic hold."""

from hypothesis import given, settings
from hypothesis import strategies as st

from camwatch.identification.visits import VisitTracker
from camwatch.records import Event, Face
from tests.identification.scene import START, check_contract, face, frame, like, person, recognizer

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
    st.sampled_from(["advance", "flush", "one", "everybody"]),
)


@settings(max_examples=150)
@given(st.lists(steps, max_size=40), st.sampled_from([0.3, 5.0]))
def test_events_keep_their_promises(script: list[object], visit_gap: float) -> None:
    watch = VisitTracker("door", EVERYBODY, node="nvr", visit_gap=visit_gap)
    now, events = 0.0, list[Event]()
    for step in script:
        match step:
            case "advance":
                events += watch.advance(START + now + 1)
            case "flush":
                events += watch.flush(START + now)
            case "one":
                watch.replace_recognizer(ONE)
            case "everybody":
                watch.replace_recognizer(EVERYBODY)
            case (float(more), list(seen)):
                now += more
                events += watch.observe(frame(now, *seen))
        present = watch.state().present
        assert len(set(present)) == len(present), "one person is in one place before a camera"
    check_contract(events + watch.flush(START + now))
    assert watch.state().visits == 0
