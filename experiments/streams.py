"""What the studies draw random numbers for; the trainer's own are in `selcon_training.data.ordering.Stream`.

A number is part of what a seed means. No study draws beside another, so they may share numbers.
"""

from enum import IntEnum


class AuditStream(IntEnum):
    """Of `selcon audit`."""

    ORDER = 20
    SAMPLE = 21
    DEGRADATION = 22


class OracleStream(IntEnum):
    """Of the oracle-feature experiment."""

    ROTATION = 20
    VISITS = 21
    HELD_OUT = 22
