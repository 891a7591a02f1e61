import logging

import pytest

from selcon_ros.backends.onnxruntime_log import without_advice

ADVICE = "Please consider to run pre-processing before quantization."


def test_advice_is_dropped_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with without_advice():
        logging.warning(ADVICE)
        logging.warning("the disk is full")
    assert caplog.messages == ["the disk is full"]
    with pytest.raises(ValueError, match="no graph"), without_advice():
        raise ValueError("no graph")
    logging.warning(ADVICE)
    assert caplog.messages[1:] == [ADVICE]
