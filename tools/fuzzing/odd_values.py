"""Numbers and texts that are rare or that no sensor sends."""

from __future__ import annotations

import numpy as np

Random = np.random.Generator
NUMBERS = [0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, -1e30, 1e308, 2.0**31, np.nan, np.inf, -np.inf, 1e-6, 4096.5]
DEPTHS = [each for each in NUMBERS if not np.isfinite(each) or abs(each) < 1e38]
INTEGERS = [0, 1, 2, 3, 5, 7, 255, 256, 4095, 16384, 16385, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1]
TEXTS = [
    "",
    " ",
    "x" * 5000,
    "\x1b[31mred\x1b[0m",
    "two\nlines",
    "tab\there",
    "nul\x00end",
    "naïve été",
    "日本語",
    "\u202eright to left",
    "🤖",
    "/",
    "//",
    "/leading",
    "trailing/",
    "%s%n%d",
    "{0}",
    "../..",
    "\r",
    "a b",
]


def number(random: Random, value: float) -> float:
    """Return the value, or once in five times an odd number."""
    return float(random.choice(NUMBERS)) if random.random() < 0.2 else float(value)


def whole(random: Random, value: int) -> int:
    """Return an odd whole number, or one near the value."""
    if random.random() < 0.5:
        return int(random.choice(INTEGERS))
    return int(max(0, min(2**32 - 1, value + random.integers(-3, 4))))


def text(random: Random) -> str:
    """Return an odd text."""
    if random.random() < 0.2:
        return "".join(chr(int(each)) for each in random.integers(1, 0xD800, int(random.integers(1, 40))))
    return str(random.choice(TEXTS))
