"""A hook of mkdocs: turn the equations of a page into MathML, which browsers draw without a script."""

import re
from html import unescape

from latex2mathml.converter import convert

EQUATION = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(html: str, **_: object) -> str:
    """Return the page's HTML with each equation of arithmatex as MathML."""
    return EQUATION.sub(_as_mathml, html)


def _as_mathml(found: re.Match[str]) -> str:
    tag, bracket, latex = found.groups()
    display = "block" if bracket == "[" else "inline"
    return f'<{tag} class="equation">{convert(unescape(latex).strip(), display=display)}</{tag}>'
