"""What ONNX Runtime logs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_advice() -> Iterator[None]:
    """Drop its advice to simplify a graph before it becomes int8: our graphs are, or the engine does it."""

    def wanted(record: logging.LogRecord) -> bool:
        return "pre-process" not in record.getMessage()

    logging.getLogger().addFilter(wanted)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(wanted)
