"""A headless browser for tests of pages: the system's Chromium, driven by playwright."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shutil import which
from typing import Any

import pytest

QUIET = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
"""Flags for WebGL without a GPU."""


@contextmanager
def chromium(flags: Sequence[str] = ("--disable-gpu",)) -> Iterator[Any]:
    """A browser of playwright; without one the test is skipped, and says what is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install 'selcon_ros[test]'"
    )
    program = which("chromium") or which("chromium-browser") or which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=[*QUIET, *flags], chromium_sandbox=False
        )
        yield browser
        browser.close()
