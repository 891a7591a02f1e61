"""The list of third parties' files in THIRD_PARTY.md, made of the lists.

`python -m selcon_tabletop.media.notices THIRD_PARTY.md` writes it anew, between its two marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.files.plain_file import read_bytes
from selcon_tabletop.media.listing import Listed, MediaError, MediaPackage, read_sources

REGISTRIES = {"debian": "Debian's", "pypi": "PyPI's"}
BEGIN, END = "<!-- media lists: begin -->", "<!-- media lists: end -->"


def renewed(page: str, sources: Sequence[MediaPackage]) -> str:
    """Return the page with what lies between its marks made of the lists. Raises MediaError without marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MediaError(f"the page has no lines {BEGIN} and {END}")
    return before + begin + "\n\n" + "\n".join(_lines(sources)) + "\n" + end + after


def _lines(sources: Sequence[MediaPackage]) -> Iterator[str]:
    for source in sources:
        yield f"### {source.title}"
        yield ""
        count = f"{len(source.files)} file" + "s" * (len(source.files) != 1)
        yield f"{count} of {REGISTRIES[source.registry]} `{source.package}` {source.version}."
        yield ""
        yield "| file | title | author | licence |"
        yield "|---|---|---|---|"
        for each in source.files:
            yield "| " + " | ".join(_cells(each)) + " |"
        yield ""


def _cells(listed: Listed) -> list[str]:
    title = _plain(listed.title)
    return [
        f"`{listed.to.partition('/')[2]}`",
        f"[{title}](<{listed.link}>)",
        _plain(listed.author),
        _plain(listed.licence),
    ]


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is in a cell of a table."""
    return "".join(f"\\{each}" if each in "\\|[]*_<>`" else each for each in text)


def main() -> None:
    """Renew the page that the command line names."""
    path = Path(sys.argv[1])
    page = read_bytes(path, MediaError).decode()
    write_file(path, renewed(page, read_sources()).encode())


if __name__ == "__main__":
    main()
