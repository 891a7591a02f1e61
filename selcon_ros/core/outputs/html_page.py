"""The HTML of all reports: one style sheet, tables that scroll in themselves, figures that open large.

A page is one file that asks for nothing outside and runs no script. Texts are escaped, unless they have
`__html__`, as those of markupsafe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path

CLOSE_ADDRESS = "#close"
"""An address that no figure has: going there closes the one that is open."""


@cache
def style() -> str:
    """The style sheet: light and dark, for phones, screens and paper."""
    return (Path(__file__).resolve().parents[2] / "assets" / "report.css").read_text(encoding="utf-8")


def page(title: str, body: str) -> str:
    """A whole document with `title` as its heading; `body` is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style()}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, marked: Collection[str] = ()
) -> str:
    """A table whose rows begin with their names; those in `marked` are bold. The caption stands above it."""
    lines = (
        f'<tr{_class("marked" if row[0] in marked else "")}><th scope="row">{_text(row[0])}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    heads = "".join(f'<th scope="col">{_text(each)}</th>' for each in head)
    return (
        f'<figure class="table"><figcaption>{_text(caption)}</figcaption>\n<div class="scroll" tabindex="0">'
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody>\n</table></div></figure>\n"
    )


def figure(content: str, caption: str, large: str, kind: str = "picture", wrong: bool = False) -> str:
    """A figure with its caption below; a click opens it large.

    `content` is HTML, an img or an inline svg. `large` is where the large one is: a file, or `#NAME` for
    `content` itself, over the whole window. `kind` is "picture" or "plot". `wrong` tells whether it shows a
    mistake.
    """
    here = large.startswith("#")
    name = f' id="{escape(large[1:])}"' if here else ""
    close = f'<a class="close" href="{CLOSE_ADDRESS}">close</a>' if here else ""
    return (
        f'<figure class="{kind}"><a class="large"{name} href="{escape(large)}">{content}</a>{close}'
        f"<figcaption{_class('wrong' if wrong else '')}>{_text(caption)}</figcaption></figure>\n"
    )


def image(source: str, alt: str) -> str:
    """A picture: its address, and in words what it shows."""
    return f'<img src="{escape(source)}" alt="{escape(alt)}">'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _text(value: str) -> str:
    html = getattr(value, "__html__", None)
    return str(html()) if html is not None else escape(value)
