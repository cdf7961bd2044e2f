"""Slugs: safe in paths and topics, stable, and different for different people."""

import re

from hypothesis import given
from hypothesis import strategies as st

from camwatch.names import slug, slugs


def test_known_names():
    assert slug("Alice Smith") == "alice_smith"
    assert slug("Zoë Müller-Groß") == "zoe_muller_gross"
    assert slug("../../etc/passwd") == "etc_passwd"
    assert re.fullmatch(r"person_[0-9a-f]{8}", slug("李雷"))
    assert slug("李雷") != slug("韩梅梅")
    assert len(slug("a" * 500)) == 63
    assert slug("a" * 500) != slug("a" * 501)


@given(st.text())
def test_any_text_gives_a_safe_slug(name):
    assert re.fullmatch(r"[a-z0-9_]{1,63}", slug(name))
    assert slug(name) == slug(name)


@given(st.lists(st.text(max_size=20)))
def test_different_names_get_different_slugs(names):
    found = slugs(names)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(found)
    assert all(re.fullmatch(r"[a-z0-9_]{1,63}", each) for each in found.values())


def test_a_newcomer_does_not_take_the_slug_of_somebody_who_has_it():
    assert slugs(["Jorg", "Jörg"], {"Jörg": "jorg"})["Jörg"] == "jorg"
    assert slugs(["Jorg"], {"Jörg": "jorg"}) == {"Jorg": "jorg"}


def test_a_name_that_looks_like_anothers_hash_gets_another_one():
    taken = slugs(["A", "a"])["a"]
    found = slugs(["A", taken.upper(), "a"])
    assert len(set(found.values())) == 3
