"""What holds for every HTML page of a report."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from selcon_ros.core.outputs.html_page import CLOSE_ADDRESS, style

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The elements of a page, and the text of each figure's caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.captions: list[tuple[str, str]] = []
        self.styles: list[str] = []
        self.open: list[str] = []
        self.figure = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        if tag == "figure":
            self.figure = given["class"]
        if tag == "figcaption":
            self.captions.append((self.figure, ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            self.styles.append(data)
        if "figcaption" in self.open:
            kind, text = self.captions[-1]
            self.captions[-1] = kind, text + data


def checked_page(path: Path) -> str:
    """The text of a page that has the style of all, asks for nothing outside, and says how many it is of."""
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert [each.strip() for each in page.styles] == [style().strip()]
    tags = [tag for tag, _ in page.elements]
    assert not {"script", "link", "iframe", "object"} & set(tags)
    assert any(given.get("name") == "viewport" for tag, given in page.elements if tag == "meta")
    assert tags.count("h1") == 1 and tags.count("figcaption") == tags.count("figure") > 0
    for kind, caption in page.captions:
        assert kind in ("table", "plot", "picture") and caption.strip()
        assert kind == "picture" or re.search(r"\bn = \w", caption), caption
    names = Counter(given["id"] for _, given in page.elements if "id" in given)
    assert set(names.values()) <= {1}, [name for name, count in names.items() if count > 1]
    for tag, given in page.elements:
        assert tag != "img" or given["alt"]
        for address in (given[name] for name in ("src", "href", "xlink:href") if name in given):
            if address.startswith("#"):
                assert address == CLOSE_ADDRESS or address[1:] in names, address
            elif not address.startswith("data:image/"):
                assert (path.parent / address).is_file(), address
    assert "://" not in text and "url(" not in re.sub(r"url\(#", "", text)
    return text
