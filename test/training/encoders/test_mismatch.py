"""What is said where weights do not fit a network."""

import pytest

from selcon_training.encoders.mismatch import mismatch


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({f"net.encoder.{n}": (2,) for n in range(300)}, "below 'net.encoder.' in the file"),
        ({f"other.{n}.w": (2,) for n in range(300)}, "another architecture"),
        ({str(n): (3,) for n in range(300)}, "the same architecture of another size"),
        ({str(n): (2,) for n in range(10)}, "or of a part of it"),
        ({}, "holds no weights"),
    ],
)
def test_a_mismatch_of_hundreds_of_keys_is_summarised_with_its_likely_cause(given, cause):
    text = mismatch({str(n): (2,) for n in range(300)}, given)
    lines = text.splitlines()
    assert len(lines) <= 14 and cause in lines[1] and "of 300" in lines[0] and max(map(len, lines)) < 120
    assert mismatch(given, given) is None
