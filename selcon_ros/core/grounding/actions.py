"""Match what a person or a robot calls an action, or a list of them, with the model's action list."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from selcon_ros.core.errors import UnknownActionError
from selcon_ros.core.text import quoted

ALL_ACTIONS = "*"
"""In a list of actions: every action that the model knows."""
MAX_LIST_LENGTH = 10_000
"""Characters of a list of actions that are read; more where the model's own list is longer."""
MAX_NAMES_SHOWN = 3
"""Unknown actions of a list that are told at once."""


def action_key(text: str) -> str:
    """Return what is compared of an action's name: no case, spaces, hyphens or underscores."""
    return "".join(text.casefold().replace("_", " ").replace("-", " ").split())


HOLDING_ACTIONS = frozenset(
    action_key(name)
    for name in ("carry", "catch", "drag", "hold", "lift", "open", "pick_up", "swing", "throw")
)


def is_held(action: str) -> bool:
    """Return whether a hand closes at the points of an action; at others a tool acts (docs/grasping.md)."""
    return action_key(action) in HOLDING_ACTIONS


def is_lid(action: str) -> bool:
    """Return whether the points of an action lie on lids and caps."""
    return action_key(action) == "open"


def match_action(text: str, actions: Sequence[str]) -> str:
    """Return the entry of `actions` that `text` means.

    Case, spaces, hyphens and underscores do not count: "Cut With" is "cut_with".
    Raises UnknownActionError, which lists the actions and the closest ones.
    """
    known = {action_key(action): action for action in actions}
    if (key := action_key(text)) in known:
        return known[key]
    raise _unknown([text], known)


def match_actions(text: str, actions: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of `actions` that a list means, each once, in the order of the list.

    The list is separated by commas; `*` stands for all that are not named before it. Names are compared as
    in `match_action`. Raises UnknownActionError if the list is empty, too long, or one of its names is not
    known.
    """
    known = {action_key(action): action for action in actions}
    if len(text) > (longest := max(MAX_LIST_LENGTH, len(listed(actions)))):
        raise UnknownActionError(
            f"the list of actions has {len(text)} characters, {quoted(text)}: name each action once, or all "
            f"as {ALL_ACTIONS}, in at most {longest}"
        )
    found: dict[str, None] = {}
    unknown: list[str] = []
    for name in _names(text, known):
        if action_key(name) in known:
            found[known[action_key(name)]] = None
        elif name.strip() == ALL_ACTIONS:
            found.update(dict.fromkeys(actions))
        else:
            unknown.append(name)
    if unknown or not found:
        raise _unknown(unknown or [""], known)
    return tuple(found)


def listed(actions: Sequence[str]) -> str:
    """Return actions as the list that `match_actions` reads."""
    return ",".join(actions)


def _names(text: str, known: dict[str, str]) -> Iterator[str]:
    """Split a list at its commas, but not within a known name that has some; leave out empty parts."""
    parts = text.split(",")
    longest = 1 + max((key.count(",") for key in known), default=0)
    start = 0
    while start < len(parts):
        ends = range(min(start + longest, len(parts)), start, -1)
        joined = ((end, ",".join(parts[start:end])) for end in ends)
        # At last the part alone, known or not.
        end, name = next(each for each in joined if each[0] == start + 1 or action_key(each[1]) in known)
        if action_key(name):
            yield name
        start = end


def _unknown(names: Sequence[str], known: dict[str, str]) -> UnknownActionError:
    """Return the error that says which names are not known, what is closest to them, and what there is."""
    listing = ", ".join(sorted(known.values()))
    if not action_key(names[0]):
        return UnknownActionError(f"the action is empty; this model knows: {listing}")
    suggestions = [_closest(name, known) for name in names[:MAX_NAMES_SHOWN]]
    more = f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else ""
    if len(names) == 1:
        close = f"did you mean {suggestions[0]}? " if suggestions[0] else ""
        return UnknownActionError(f"unknown action {quoted(names[0])}: {close}This model knows: {listing}")
    each = [
        quoted(name.strip()) + (f" (did you mean {close}?)" if close else "")
        for name, close in zip(names, suggestions, strict=False)
    ]
    return UnknownActionError(f"unknown actions {', '.join(each)}{more}: this model knows: {listing}")


def _closest(name: str, known: dict[str, str]) -> str:
    """Return the known actions that are closest to a name; "" if none is close."""
    # A command can be any text: comparing and echoing is limited to a sane length.
    close = get_close_matches(action_key(name)[:100], list(known), n=3, cutoff=0.5)
    return " or ".join(repr(known[match]) for match in close)
