"""The page in a real browser: it shows the cloud, clicks and sliders change the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("viser", reason="viser is missing: pip install 'selcon_ros[view]'")
pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")

from selcon_ros.model import load
from selcon_ros.recording import default_recording, read_recording
from selcon_ros.view.page import Page
from selcon_ros.view.run import run
from selcon_ros.view.scene import Thresholds
from selcon_ros.view.server import ViewServer
from selcon_ros.view.sources.offline import OfflineSource, Shot
from selcon_ros.view.sources.recording import shot_of
from support.browser import WEBGL, chromium

PATIENCE = 90_000
"""Milliseconds that a slow machine may take to show something."""


class Still:
    """One image: what is on the page changes by clicks alone."""

    title = "still"

    def run(self, show: Callable[[Shot], None], stop: threading.Event) -> None:
        show(shot_of(read_recording(default_recording()).frames[0]))


class Running:
    """A page at work in a thread of its own."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.source = OfflineSource(Still(), lambda: load(precision="fp32"), ("hold",), Thresholds())
        self.server = ViewServer(host, 0)
        self.source.start()
        self._page = Page(self.server.viser, self.source, stride=8)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=run, args=(self.source, [self._page], self._stop.wait))
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.server.close()
        self.source.close()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium(WEBGL) as made:
        yield made


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[[str], Any]]:
    """Opens a page as a person with a browser of their own would."""
    contexts = []

    def open_(address: str) -> Any:
        contexts.append(browser.new_context(viewport={"width": 900, "height": 700}))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()


def answer(page: Any, action: str) -> Any:
    """What the panel says of an action that is asked for."""
    return page.locator(f'[data-answer="{action}"]')


def colours_seen(page: Any) -> int:
    """How many colours there are in the scene as the browser draws it."""
    png = np.frombuffer(page.locator("canvas").first.screenshot(timeout=PATIENCE), np.uint8)
    return len(np.unique(cv2.imdecode(png, cv2.IMREAD_COLOR).reshape(-1, 3), axis=0))


def test_it_shows_the_cloud_and_clicks_change_the_answer_in_every_browser(
    running: Running, opened: Callable[[str], Any]
) -> None:
    page = opened(running.server.address)
    answer(page, "hold").wait_for()
    end = time.monotonic() + PATIENCE / 1000
    # The background has one colour, the cloud thousands.
    while colours_seen(page) < 1000:
        assert time.monotonic() < end, "no cloud is drawn"
    assert all(url.startswith((running.server.address, "data:", "blob:")) for url in page.asked), page.asked

    other = opened(running.server.address)
    answer(other, "hold").wait_for()
    other.get_by_label("pour", exact=True).check()
    answer(page, "pour").wait_for()
    assert page.get_by_label("pour", exact=True).is_checked()
    other.context.close()  # one browser goes away, and nothing changes for the other
    page.get_by_label("hold", exact=True).uncheck()
    answer(page, "hold").wait_for(state="detached")

    page.get_by_role("tab", name="Settings").click()
    page.get_by_role("slider").first.press("End")  # a least confidence of 1
    page.get_by_role("tab", name="Answer").click()
    page.get_by_text("is below 1.00").first.wait_for()


def test_other_addresses_need_the_token_once(opened: Callable[[str], Any]) -> None:
    running = Running("0.0.0.0")
    try:
        local, token = f"http://127.0.0.1:{running.server.port}/", running.server.address.partition("?")[2]
        assert "open the page with its token" in opened(local).content()
        page = opened(f"{local}?{token}")
        page.wait_for_url(local)  # where nobody reads the token
        answer(page, "hold").wait_for()
        page.reload()
        answer(page, "hold").wait_for()
    finally:
        running.close()
