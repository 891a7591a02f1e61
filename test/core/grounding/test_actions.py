import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.errors import UnknownActionError
from selcon_ros.core.grounding.actions import MAX_LIST_LENGTH, action_key, listed, match_action, match_actions

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


def test_a_very_long_list_is_refused_unread() -> None:
    with pytest.raises(
        UnknownActionError, match="the list of actions has 3000004 characters, 'hold,,.*at most"
    ):
        match_actions("hold" + "," * 3_000_000, ACTIONS)
    assert match_actions("hold".ljust(MAX_LIST_LENGTH, ","), ACTIONS) == ("hold",)
    many = tuple(f"act{number:06}" for number in range(2000))
    assert match_actions(listed(many), many) == many


@given(st.text())
def test_any_text_matches_or_is_refused(text: str) -> None:
    try:
        found = match_action(text, ACTIONS)
    except UnknownActionError:
        assert action_key(text) not in {action_key(action) for action in ACTIONS}
    else:
        assert action_key(found) == action_key(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hold", ("hold",)),
        ("hold, Cut With", ("hold", "cut_with")),
        ("hold,hold,HOLD,cut", ("hold", "cut")),
        ("*", ACTIONS),
        ("pick_up,*", ("pick_up", "cut", "cut_with", "drink_with", "hold")),
        (",hold,, cut,", ("hold", "cut")),
    ],
)
def test_a_list_means_each_action_once_in_its_order(text: str, found: tuple[str, ...]) -> None:
    assert match_actions(text, ACTIONS) == found


@pytest.mark.parametrize("text", ["", " , ", ",", "_,-"])
def test_a_list_of_nothing(text: str) -> None:
    with pytest.raises(UnknownActionError, match="the action is empty; this model knows: cut"):
        match_actions(text, ACTIONS)


def test_unknown_names_of_a_list_are_told_with_what_is_close() -> None:
    with pytest.raises(UnknownActionError) as caught:
        match_actions("hold, holt,xyz", ACTIONS)
    told = str(caught.value)
    assert told.startswith("unknown actions 'holt' (did you mean 'hold'?), 'xyz': this model knows: cut, ")
    with pytest.raises(UnknownActionError, match="^unknown action ' holt': did you mean 'hold'"):
        match_actions("hold, holt", ACTIONS)


def test_a_very_long_list_is_not_echoed() -> None:
    with pytest.raises(UnknownActionError, match="and 2997 more: this model knows") as caught:
        match_actions("x," * 3000, ACTIONS)
    assert len(str(caught.value)) < 300


def test_a_comma_or_a_star_in_the_name_of_an_action() -> None:
    known = ("cut, then hold", "hold", "cut", "*")
    assert match_actions("cut, then hold,hold", known) == ("cut, then hold", "hold")
    assert match_actions("cut,hold", known) == ("cut", "hold")
    assert match_actions("*", known) == ("*",)
    assert match_actions(listed(known), known) == known


@given(st.lists(st.sampled_from(ACTIONS), min_size=1))
def test_what_is_listed_is_read_again(actions: list[str]) -> None:
    assert match_actions(listed(actions), ACTIONS) == tuple(dict.fromkeys(actions))


@given(st.text(alphabet="cuthold ,*_x"))
def test_any_list_matches_or_is_refused(text: str) -> None:
    try:
        found = match_actions(text, ACTIONS)
    except UnknownActionError:
        return
    assert found and set(found) <= set(ACTIONS) and len(set(found)) == len(found)
