import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.actions import action_key, match_action
from selcon_ros.core.errors import UnknownActionError

ACTIONS = ("cut", "cut_with", "drink_with", "hold", "pick_up")


@pytest.mark.parametrize("text", ["cut_with", "Cut With", " cutwith\n", "cut _- with", "c ut with"])
def test_spelling_does_not_matter(text: str) -> None:
    assert match_action(text, ACTIONS) == "cut_with"


def test_a_shorter_action_is_not_its_longer_namesake() -> None:
    assert match_action("cut", ACTIONS) == "cut"


def test_unknown_action_lists_what_exists_and_what_is_close() -> None:
    with pytest.raises(UnknownActionError, match="'drnk with'.*did you mean 'drink_with'.*cut, cut_with"):
        match_action("drnk with", ACTIONS)


def test_nothing_close_suggests_nothing() -> None:
    with pytest.raises(UnknownActionError) as caught:
        match_action("xyz", ACTIONS)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "  ", "_-\t"])
def test_empty_action(text: str) -> None:
    with pytest.raises(UnknownActionError, match="the action is empty; this model knows: cut"):
        match_action(text, ACTIONS)


def test_a_very_long_command_is_not_echoed() -> None:
    with pytest.raises(UnknownActionError) as caught:
        match_action("hold" * 100_000, ACTIONS)
    assert len(str(caught.value)) < 300


@given(st.text())
def test_any_text_matches_or_is_refused(text: str) -> None:
    try:
        found = match_action(text, ACTIONS)
    except UnknownActionError:
        assert action_key(text) not in {action_key(action) for action in ACTIONS}
    else:
        assert action_key(found) == action_key(text)
