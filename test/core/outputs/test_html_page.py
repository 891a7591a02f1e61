"""The HTML of all reports: what is escaped, and that the check of pages sees what is wrong."""

from pathlib import Path

import pytest

from selcon_ros.core.outputs.html_page import figure, image, page, table
from support.pages import checked_page

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
HEAD = ("", "right part, %")


class Html(str):
    def __html__(self) -> str:
        return str(self)


def good() -> str:
    rows = [("<hold>", "65.2 [50.0, 73.5]"), ("pour", Html("<b>1</b>"))]
    shown = figure(image(PIXEL, 'a "mug"'), "hold & pour", "#figure1", wrong=True)
    return table(HEAD, rows, "n = 66 queries", ["pour"]) + shown


def write(folder: Path, body: str) -> Path:
    (folder / "page.html").write_text(page("a < b", body), encoding="utf-8")
    return folder / "page.html"


def test_texts_are_escaped_and_html_is_not(tmp_path: Path) -> None:
    text = checked_page(write(tmp_path, good()))
    assert "<title>a &lt; b</title>" in text and "<h1>a &lt; b</h1>" in text
    assert '<tr><th scope="row">&lt;hold&gt;</th><td>65.2 [50.0, 73.5]</td></tr>' in text
    assert '<tr class="marked"><th scope="row">pour</th><td><b>1</b></td></tr>' in text
    assert 'alt="a &quot;mug&quot;"' in text and 'class="wrong">hold &amp; pour</figcaption>' in text


def test_a_large_figure_is_the_page_s_own_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "mug 1.jpg").write_bytes(b"")
    shown = figure(image("mug 1.jpg", "a mug"), "hold", "mug 1.jpg")
    text = checked_page(write(tmp_path, good() + shown))
    assert text.count('class="close"') == 1 and text.count('id="figure1" href="#figure1"') == 1


@pytest.mark.parametrize(
    "body",
    [
        good() + good(),
        good() + "<script>1</script>",
        good() + "<style>b {}</style>",
        good() + '<a href="https://example.org">x</a>',
        good() + '<p style="background: url(x.png)">x</p>',
        good() + f'<img src="{PIXEL}" alt="">',
        good() + '<a href="#nowhere">x</a>',
        good() + "<figure class=\"picture\">x</figure>",
        table(HEAD, [("hold", "65.2")], "many queries"),
        "<p>no figure</p>",
    ],
)  # fmt: skip
def test_the_check_of_pages_can_fail(tmp_path: Path, body: str) -> None:
    with pytest.raises(AssertionError):
        checked_page(write(tmp_path, body))
