"""The page in a browser: from the command, through real strokes of the mouse, to what the trainer reads."""

import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("filelock", reason="filelock is missing: pip install 'selcon_ros[train]'")

from selcon_ros.core.grounding.placement import Canvas
from selcon_training.adapt.labelling.drawing import Stroke, masks
from selcon_training.adapt.photo_set import make_photo_set, negative_pictures
from selcon_training.adapt.reading import read_photos
from support.browser import chromium

SIZE = (240, 320)
LABEL = [sys.executable, "-m", "selcon_ros.cli.main", "data", "label"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "mug").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png", "mug/d.png", "mug/e.png")):
        cv2.imwrite(str(folder / name), np.full((*SIZE, 3), 40 + 30 * number, np.uint8))
    return folder


@pytest.fixture
def command(photos, tmp_path):
    """Start the command; gives its process and the page's address."""
    running = []

    def start():
        process = subprocess.Popen(
            [*LABEL, photos, "--out", tmp_path / "set", "--action", "hold,cut_with", "--port", "0"],
            stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        running.append(process)
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S+/", line):
                return process, found[0]
        raise AssertionError("no address")

    yield start
    for process in running:
        process.kill()
        process.wait()


class Page:
    """What a person does on the page. Places are in the photo's pixels."""

    def __init__(self, browser, address):
        self.page = browser.new_page()
        self.complaints = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.loaded(" of ")
        if self.find("#keys").is_visible():  # how to draw
            self.page.click("#keys button")
        box = self.find("#board").bounding_box()
        self.middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.zoom = 0.96 * min(box["width"] / SIZE[1], box["height"] / SIZE[0])

    def find(self, selector):
        return self.page.locator(selector)

    def shows(self, selector, text):
        from playwright.sync_api import expect

        expect(self.find(selector)).to_contain_text(text, timeout=30_000)

    def loaded(self, place):
        self.shows("#place", place)
        self.page.wait_for_selector("#board[aria-busy=false]")

    def saved(self):
        self.shows("#saved", re.compile("^saved$"))

    def keys(self, *names):
        for name in names:
            self.page.keyboard.press(name)

    def at(self, x, y):
        return self.middle[0] + (x - SIZE[1] / 2) * self.zoom, self.middle[1] + (y - SIZE[0] / 2) * self.zoom

    def click(self, *corners):
        for corner in corners:
            self.page.mouse.click(*self.at(*corner))

    def polygon(self, *corners):
        """Click corners, and the first one again."""
        self.click(*corners, corners[0])

    def drag(self, start, end):
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=5)
        self.page.mouse.up()

    def open(self, name):
        self.page.click(f"#photos [title='{name}']")
        self.loaded(name)


def polygon_mask(*corners):
    return masks([Stroke(action="hold", tool="polygon", points=corners)], SIZE)["hold"] > 0


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def masks_of(root):
    return {
        photo.path.stem: {action: shapes[0].raster(SIZE, SIZE) for action, shapes in photo.shapes.items()}
        for photo in read_photos(root)[1]
    }


def test_photos_are_labelled_from_the_command_to_what_adapt_takes(browser, command, tmp_path):
    process, address = command()
    page = Page(browser, address)
    square = ((80, 60), (200, 60), (200, 160), (80, 160))
    page.keys("p", "1")
    page.polygon(*square)
    page.keys("2", "b")
    page.drag((40, 200), (280, 200))
    page.click((250, 20), (300, 20), (300, 50))  # dots of the brush, taken back one by one
    for _ in range(3):
        page.page.click("#undo")
    page.keys("e", "1")
    page.drag((140, 110), (141, 110))
    page.saved()
    # Next photo: a triangle closed by Enter, undone and done again.
    page.page.click("#next")
    page.loaded("2 of 5: b.png")
    page.keys("p", "1")
    page.click((60, 40), (220, 40), (60, 200))
    page.keys("Enter", "Control+z")
    page.page.wait_for_selector("#undo:disabled")
    page.keys("Control+y")
    page.page.wait_for_selector("#undo:enabled")
    page.page.fill("#object", "red cup")
    page.saved()
    page.open("c.png")
    page.polygon(*square)
    page.keys("x")
    page.page.wait_for_selector("#nothing:checked")
    page.page.click("#undo")  # of something that is drawn it cannot be said that there is nothing
    page.page.wait_for_selector("#nothing:not(:checked)")
    page.keys("x")
    for name in ("mug/d.png", "mug/e.png"):
        page.open(name)
        page.polygon(*square)
    page.saved()
    assert page.find("#photos em").all_text_contents() == [*"✓✓∅✓✓"] and page.complaints == []
    page.page.click("#finish")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and "4 photos with masks, 1 with nothing" in out
    assert f"selcon adapt {tmp_path / 'set'}" in out and "--negatives" in out

    made = masks_of(tmp_path / "set")
    assert set(made) == {"a", "b", "mug__d", "mug__e"} and set(made["a"]) == {"hold", "cut_with"}
    erased = np.zeros(SIZE, bool)
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    erased[(rows - 110) ** 2 + (columns - 140) ** 2 <= 4**2] = True
    assert (
        overlap(made["a"]["hold"], polygon_mask(*square) & ~erased) > 0.96 and not made["a"]["hold"][110, 140]
    )
    # A brush has a fortieth of the photo's width at first.
    streak = masks([Stroke(action="hold", tool="brush", size=8, points=[(40, 200), (280, 200)])], SIZE)[
        "hold"
    ]
    assert overlap(made["a"]["cut_with"], streak > 0) > 0.85
    assert overlap(made["b"]["hold"], polygon_mask((60, 40), (220, 40), (60, 200))) > 0.96
    assert (tmp_path / "set/trainset/mask/hold/red_cup/b.png").exists()
    assert (tmp_path / "set/negatives/unnamed/c.png").exists()
    photo_set = make_photo_set(
        *read_photos(tmp_path / "set"),
        negative_pictures(tmp_path / "set/negatives"),
        ("hold", "cut_with", "pour"),
        Canvas((64, 96), (16, 24), "pad"),
    )
    assert len(photo_set.photos) == 4 and len(photo_set.negatives) == 1 and not photo_set.ignored


def test_a_photo_that_is_gone_keeps_nobody_from_the_others(browser, command, photos):
    process, address = command()
    page = Page(browser, address)
    (photos / "a.png").rename(photos.parent / "a.png")
    page.polygon((10, 10), (60, 10), (60, 60))
    page.shows("#banner", "cannot read")
    page.page.click("#theirs")
    page.page.wait_for_selector("#theirs", state="hidden")
    page.open("b.png")
    page.polygon((10, 10), (60, 10), (60, 60))
    page.saved()
    process.kill()
    process.wait()
    page.page.click("#finish")
    page.shows("#banner", "does not answer: start it again")


def test_two_pages_and_a_killed_command_lose_nothing(browser, command, tmp_path):
    process, address = command()
    page, other = Page(browser, address), Page(browser, address)
    other.polygon((10, 10), (60, 10), (60, 60))
    other.saved()
    triangle = (100, 100), (200, 100), (200, 200)
    page.polygon(*triangle)
    page.shows("#banner", "changed in another page")
    page.page.click("#mine")
    page.saved()
    process.kill()
    process.wait()
    page.polygon((210, 10), (300, 10), (300, 60))
    page.shows("#banner", "does not answer: start it again")

    process, address = command()
    page = Page(browser, address)
    page.open("a.png")
    page.page.wait_for_selector("#undo:enabled")
    page.page.click("#finish")
    assert process.wait(30) == 0
    assert overlap(masks_of(tmp_path / "set")["a"]["hold"], polygon_mask(*triangle)) > 0.95
