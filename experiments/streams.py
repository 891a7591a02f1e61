"""What studies draw random numbers for; the trainer's own are in `selcon_training.data.ordering.Stream`.

A number is part of what a seed means: changed, studies come out otherwise. No study draws beside another, so
they may share numbers.
"""

from enum import IntEnum


class AuditStream(IntEnum):
    """Of `experiments.audit`."""

    ORDER = 20
    SAMPLE = 21
    DEGRADATION = 22


class OracleStream(IntEnum):
    """Of `experiments.oracle`."""

    ROTATION = 20
    VISITS = 21
    HELD_OUT = 22
