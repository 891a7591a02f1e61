"""The page in a browser: from the command, through real strokes of the mouse, to what the trainer reads."""

import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("filelock", reason="filelock is missing: pip install 'selcon_ros[train]'")

from selcon_ros.core.placement import Canvas
from selcon_training.adapt.photo_set import make_photo_set, negative_pictures
from selcon_training.adapt.reading import read_photos
from selcon_training.labelling.drawing import Stroke, masks
from support.browser import browser

SIZE = (240, 320)
LABEL = [sys.executable, "-m", "selcon_ros.cli.main", "data", "label"]


@pytest.fixture(scope="module")
def driver():
    with browser() as opened:
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

    def __init__(self, driver, address):
        from selenium.webdriver import ActionChains
        from selenium.webdriver.support.wait import WebDriverWait

        self.driver, self.chain = driver, lambda: ActionChains(driver, duration=20)
        self._wait = WebDriverWait(driver, 10, poll_frequency=0.05)
        driver.get(address)
        self.board = self.find("board")
        self.loaded(" of ")
        if closing := driver.find_elements("css selector", "dialog[open] button"):  # how to draw
            closing[0].click()
        width, height = self.board.size["width"], self.board.size["height"]
        self.zoom = 0.96 * min(width / SIZE[1], height / SIZE[0])

    def find(self, name):
        return self.driver.find_element("id", name)

    def until(self, true):
        self._wait.until(lambda _: true())

    def loaded(self, place):
        self.until(lambda: place in self.find("place").text)
        self.until(lambda: self.board.get_attribute("aria-busy") == "false")

    def saved(self):
        self.until(lambda: self.find("saved").text == "saved")

    def keys(self, *texts):
        self.chain().send_keys(*texts).perform()

    def at(self, chain, x, y):
        return chain.move_to_element_with_offset(
            self.board, round((x - SIZE[1] / 2) * self.zoom), round((y - SIZE[0] / 2) * self.zoom)
        )

    def polygon(self, *corners):
        """Click corners, and the first one again."""
        chain = self.chain()
        for corner in (*corners, corners[0]):
            chain = self.at(chain, *corner).click()
        chain.perform()

    def drag(self, start, end):
        self.at(self.at(self.chain(), *start).click_and_hold(), *end).release().perform()

    def open(self, name):
        self.driver.find_element("css selector", f"#photos [title='{name}']").click()
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


def test_photos_are_labelled_from_the_command_to_what_adapt_takes(driver, command, tmp_path):
    process, address = command()
    page = Page(driver, address)
    square = ((80, 60), (200, 60), (200, 160), (80, 160))
    page.keys("p1")
    page.polygon(*square)
    page.keys("2b")
    page.drag((40, 200), (280, 200))
    page.polygon((250, 20), (300, 20), (300, 50))  # a brush's clicks, taken back one by one
    for _ in range(4):
        page.find("undo").click()
    page.keys("e1")
    page.drag((140, 110), (141, 110))
    page.saved()
    # Next photo: a triangle closed by Enter, undone and done again.
    page.find("next").click()
    page.loaded("2 of 5: b.png")
    page.keys("p1")
    chain = page.chain()
    for corner in ((60, 40), (220, 40), (60, 200)):
        chain = page.at(chain, *corner).click()
    chain.send_keys("\ue007").perform()
    undone, redone = (
        page.chain().key_down("\ue009").send_keys("z"),
        page.chain().send_keys("y").key_up("\ue009"),
    )
    undone.perform()
    page.until(lambda: not page.find("undo").is_enabled())
    redone.perform()
    page.until(lambda: page.find("undo").is_enabled())
    page.find("object").send_keys("red cup")
    page.saved()
    page.open("c.png")
    page.polygon(*square)
    page.keys("x")
    page.until(lambda: page.find("nothing").is_selected())
    page.find("undo").click()  # of something that is drawn it cannot be said that there is nothing
    page.until(lambda: not page.find("nothing").is_selected())
    page.keys("x")
    for name in ("mug/d.png", "mug/e.png"):
        page.open(name)
        page.polygon(*square)
    page.saved()
    assert [each.text for each in driver.find_elements("css selector", "#photos em")] == [*"✓✓∅✓✓"]
    assert driver.get_log("browser") == []
    page.find("finish").click()
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


def test_two_pages_and_a_killed_command_lose_nothing(driver, command, photos, tmp_path):
    process, address = command()
    page = Page(driver, address)
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    other = Page(driver, address)
    other.polygon((10, 10), (60, 10), (60, 60))
    other.saved()
    second = driver.current_window_handle
    driver.switch_to.window(first)
    page.polygon((100, 100), (200, 100), (200, 200))
    page.until(lambda: "changed in another page" in page.find("banner").text)
    page.find("mine").click()
    page.saved()
    driver.switch_to.window(second)
    driver.close()
    driver.switch_to.window(first)
    process.kill()
    process.wait()
    page.polygon((210, 10), (300, 10), (300, 60))
    page.until(lambda: "does not answer: start it again" in page.find("banner").text)
    driver.execute_script("window.onbeforeunload = null")

    process, address = command()
    driver.switch_to.new_window("tab")
    page = Page(driver, address)
    page.open("a.png")
    page.until(lambda: page.find("undo").is_enabled())
    page.find("finish").click()
    assert process.wait(30) == 0
    assert (
        overlap(masks_of(tmp_path / "set")["a"]["hold"], polygon_mask((100, 100), (200, 100), (200, 200)))
        > 0.95
    )
