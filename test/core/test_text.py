"""Whatever comes in stays on one line, and short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.errors import first_line
from selcon_ros.core.text import one_line, quoted

ANY = st.text(st.characters(exclude_categories=()), max_size=300)


@given(ANY, st.integers(10, 200))
def test_one_line_is_printable_and_bounded(text, limit):
    shown = one_line(text, limit)
    assert len(shown) <= limit and shown.isprintable()
    shown.encode()  # half a surrogate pair cannot be published


@given(st.one_of(ANY, st.binary(), st.lists(ANY), st.floats(), st.none()), st.integers(10, 200))
def test_quoted_is_printable_and_bounded(value, limit):
    shown = quoted(value, limit)
    assert len(shown) <= limit and shown.isprintable()
    shown.encode()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'\\"), max_size=50))
def test_plain_text_is_shown_as_it_is(text):
    assert one_line(text) == text and quoted(text) == f"'{text}'"


@pytest.mark.parametrize(
    ("text", "line", "inside"),
    [
        ("a\nb", r"a\nb", r"'a\nb'"),
        ("\x1b[31mred", r"\x1b[31mred", r"'\x1b[31mred'"),
        ("\u202eright to left", r"\u202eright to left", r"'\u202eright to left'"),
        ("x" * 5000, "x" * 997 + "...", "'" + "x" * 55 + "...'"),
        ("Griff fassen, größer", "Griff fassen, größer", "'Griff fassen, größer'"),
    ],
)
def test_examples(text, line, inside):
    assert one_line(text) == line
    assert quoted(text) == inside


def test_what_a_library_says_is_one_printable_line() -> None:
    assert first_line(ValueError("\nbad index\x10 \x1b[31m\nmore")) == "bad index\\x10 \\x1b[31m"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 10_000))) == 300
