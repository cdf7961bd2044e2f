"""Requests to forget somebody outlive the command that left them, and lose the name first."""

from pathlib import Path

import pytest

from camwatch.errors import StateError
from camwatch.publishing.requests import Requests


def test_a_request_waits_until_it_is_done_and_loses_the_name_on_the_way(tmp_path: Path) -> None:
    asked = Requests(tmp_path).ask("Zoë", "zoe")
    requests = Requests(tmp_path)
    assert requests.waiting() == [asked]
    assert asked.path.parent.stat().st_mode & 0o777 == 0o700
    assert asked.path.stat().st_mode & 0o777 == 0o600
    narrowed = requests.erased(asked)
    assert requests.waiting() == [narrowed]
    assert (narrowed.path, narrowed.person, narrowed.slug) == (asked.path, None, "zoe")
    assert "Zo" not in narrowed.path.read_text()
    requests.done(narrowed)
    assert requests.waiting() == []


def test_nothing_is_made_where_nobody_asks(tmp_path: Path) -> None:
    assert Requests(tmp_path).waiting() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2, "slug": "zoe"}', '{"version": 1, "person": "Zoë"}'])
def test_what_is_no_request_is_told_once_and_hinders_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    requests = Requests(tmp_path)
    asked = requests.ask("Sam", "sam")
    (tmp_path / "forget" / "broken.json").write_text(text)
    for _ in range(3):
        assert requests.waiting() == [asked]
    assert caplog.text.count("not a request") == 1


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "forget").write_text("")
    with pytest.raises(StateError, match=r"forget: cannot leave a request here: File exists"):
        Requests(tmp_path).ask("Sam", "sam")


def test_a_link_is_no_request(tmp_path: Path) -> None:
    asked = Requests(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    request = asked.ask("Sam", "sam")
    (tmp_path / "forget").mkdir()
    (tmp_path / "forget" / "0.json").symlink_to(request.path)
    assert Requests(tmp_path).waiting() == []
