"""The two sentences an action becomes for the text encoder (method.md §1)."""


def action_prompt(action: str) -> str:
    """Return "an item to {action} with"; nothing is added where the label itself contains "with"."""
    return f"an item to {action}" if "with" in action else f"an item to {action} with"


def person_prompt(action: str) -> str:
    """Return "a person {action} an item"."""
    return f"a person {action} an item"
