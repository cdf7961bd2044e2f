import pytest

from camwatch.errors import CamwatchError, ConfigError, PhotoError, SourceRefused, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain: Zoë, 李, 👩‍🚀", "plain: Zoë, 李, 👩‍🚀"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x7f\x9b", r"\x1b[31mred\x7f\x9b"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\udcff\ud800", r"\udcff\ud800"),
    ],
)
def test_a_message_is_one_line_that_can_be_printed(text: str, shown: str) -> None:
    assert one_line(text) == shown
    assert str(PhotoError(text)) == shown == one_line(shown)
    assert str(SourceRefused(text, "invalid")) == shown
    assert len(shown.splitlines()) == 1 and shown.encode()


def test_each_problem_of_a_configuration_is_one_line() -> None:
    error = ConfigError("a\nb: 1", "c: 2")

    assert error.problems == (r"a\nb: 1", "c: 2")
    assert str(error).splitlines() == list(error.problems)
    assert str(CamwatchError()) == ""
