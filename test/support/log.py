"""A log for tests to look into."""


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, text: str) -> None:
        self.said.append(text)

    info = warning
