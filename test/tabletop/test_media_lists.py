"""Lists of free files: their faults are told, and those of the package hold their rules."""

from pathlib import Path

import pytest

from selcon_tabletop.media import notices
from selcon_tabletop.media.listing import MediaError, read_sources
from support.media import entry, write_list

PLACE = "usr/share/selcon-test/place.png"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"to": "../place.png"}, r"to: '../place.png' must be a path that stays in its folder"),
        ({"to": "pictures/../../place.png"}, "must be a path that stays in its folder"),
        ({"to": "/tmp/place.png"}, "must be a path that stays in its folder"),
        ({"to": "meshes/place.png"}, "to must begin with pictures/"),
        ({"path": "/etc/passwd"}, "must be a path that stays in its folder"),
        ({"path": "usr/../../etc/passwd"}, "must be a path that stays in its folder"),
        ({"sha256": "12"}, "is no sha256"),
        ({"kind": "film"}, "kind 'film' must be one of picture, texture"),
        ({"use": []}, "use must list some of background, negative, calibration"),
        ({"use": ["texture"]}, "use must list some of"),
        ({"use": ["calibration", "background"]}, "held out of training"),
        ({"licence": " "}, "licence must be a text that is not empty"),
        ({"author": None}, "author must be a text"),
        ({"link": "javascript:alert(1)"}, "link must begin with http"),
        ({"archive": "x.sh3f"}, "the archive 'x.sh3f' is not among"),
    ],
)
def test_faults_of_a_list_are_told(tmp_path: Path, change: dict[str, object], says: str) -> None:
    file = {**entry(PLACE, b"", "pictures/place.png", use=["negative"]), **change}
    write_list(tmp_path / "lists", "places", [file], kind="picture")
    with pytest.raises(MediaError, match=says) as error:
        read_sources(tmp_path / "lists")
    assert "places.json: files[0]" in str(error.value)


def test_two_files_cannot_have_one_place(tmp_path: Path) -> None:
    files = [entry(PLACE, b"", place, use=["negative"]) for place in ("pictures/a.png", "pictures/A.png")]
    write_list(tmp_path / "lists", "places", files, kind="picture")
    with pytest.raises(MediaError, match="the place pictures/A.png is taken"):
        read_sources(tmp_path / "lists")
    for name, file in zip(("a", "b"), files, strict=True):
        write_list(tmp_path / "two", name, [file], kind="picture")
    with pytest.raises(MediaError, match="the lists a and b both have the place"):
        read_sources(tmp_path / "two")


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"format": 2}, "its format is 2, read is 1"),
        ({"package": "../x"}, "package '../x' is none"),
        ({"package": "--option"}, "package '--option' is none"),
        ({"version": "1 -o x"}, "version '1 -o x' is none"),
        ({"registry": "npm"}, "registry must be one of debian, pypi"),
        ({"archives": {"../x": "0" * 64}}, "must be a path that stays"),
        ({"archives": {"x": "0"}}, "is no sha256"),
    ],
)
def test_faults_of_a_list_s_head_are_told(tmp_path: Path, head: dict[str, object], says: str) -> None:
    write_list(tmp_path / "lists", "places", [], **head)
    with pytest.raises(MediaError, match=says):
        read_sources(tmp_path / "lists")


def test_the_page_of_third_parties_is_made_of_the_lists() -> None:
    page = (Path(__file__).parents[2] / "THIRD_PARTY.md").read_text()
    assert notices.renewed(page, read_sources()) == page, (
        "python -m selcon_tabletop.media.notices THIRD_PARTY.md"
    )
    with pytest.raises(MediaError, match="has no lines <!-- media lists: begin"):
        notices.renewed("# Files", [])


def test_the_page_of_third_parties_names_author_licence_and_link(tmp_path: Path) -> None:
    file = entry("x.png", b"", "pictures/x.png", use=["negative"], author="A|B *C*", title="[x]")
    write_list(tmp_path / "lists", "places", [file], kind="picture")
    page = notices.renewed(f"a\n{notices.BEGIN}old{notices.END}\nb", read_sources(tmp_path / "lists"))
    assert "| `x.png` | [\\[x\\]](<https://place.example>) | A\\|B \\*C\\* | CC0-1.0 |\n" in page
    assert page.startswith("a\n") and page.endswith("\nb") and "old" not in page
    assert "1 file of Debian's `selcon-test-places` 1.0-1." in page


def test_the_lists_of_the_package_can_be_read_and_hold_their_rules() -> None:
    sources = read_sources()
    files = [each for source in sources for each in source.files]
    assert len({each.sha256 for each in files if each.kind == "picture"}) == sum(
        each.kind == "picture" for each in files
    ), "one picture is listed twice: it could be in training and in calibration"
    # The photographs of the check set and what else a test of nothing holds are not for training.
    assert not [each.path for each in files if "images/tools/" in each.path or "images/others/" in each.path]
    never = {"animal", "aeroplane", "chair", "watch", "clock", "person"}
    assert not [each.path for each in files if each.category in never]
    free = ("CC0-1.0", "CC-BY-", "MIT", "public domain", "no known copyright restrictions")
    assert not [each.path for each in files if not each.licence.startswith(free) or "NC" in each.licence]
    uses = [use for each in files for use in each.use]
    assert 0.2 < uses.count("calibration") / (uses.count("calibration") + uses.count("negative")) < 0.4
