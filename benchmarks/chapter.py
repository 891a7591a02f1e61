"""What the chapters of these measurements have beyond those of `selcon bench`: a picture, more text."""

from __future__ import annotations

from dataclasses import dataclass

from selcon_ros.bench.report import Table


@dataclass(frozen=True)
class ExplainedTable(Table):
    """A table with further sentences below it."""

    below: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        return [*super().sentences, *self.below]


def with_picture(about: tuple[str, str], link: str | None) -> tuple[str, str]:
    """A chapter's title and what it begins with: where it comes from, then the picture if there is one."""
    title, source = about
    return about if link is None else (title, f"{source}\n\n![{title}]({link})")
