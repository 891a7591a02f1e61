"""Match what a person or a robot calls an action with the model's action list."""

from collections.abc import Sequence
from difflib import get_close_matches

from selcon_ros.core.errors import UnknownActionError
from selcon_ros.core.text import quoted


def action_key(text: str) -> str:
    """Return what is compared of an action's name: no case, spaces, hyphens or underscores."""
    return "".join(text.casefold().replace("_", " ").replace("-", " ").split())


def match_action(text: str, actions: Sequence[str]) -> str:
    """Return the entry of `actions` that `text` means.

    Case, spaces, hyphens and underscores do not count: "Cut With" is "cut_with".
    Raises UnknownActionError, which lists the actions and the closest ones.
    """
    known = {action_key(action): action for action in actions}
    key = action_key(text)
    if key in known:
        return known[key]
    listing = ", ".join(sorted(actions))
    if not key:
        raise UnknownActionError(f"the action is empty; this model knows: {listing}")
    # A command can be any text: comparing and echoing is limited to a sane length.
    close = get_close_matches(key[:100], list(known), n=3, cutoff=0.5)
    closest = " or ".join(repr(known[match]) for match in close)
    hint = f"did you mean {closest}? " if close else ""
    raise UnknownActionError(f"unknown action {quoted(text)}: {hint}This model knows: {listing}")
