"""Errors of the training side; the command line prints them without a traceback."""

from typing import Any

from selcon_ros.core.errors import SelconError


class DataError(SelconError):
    """Something is wrong with a data set: the message names the file or folder and what to do."""


class EncoderError(SelconError):
    """An encoder cannot be built, loaded or used as asked."""


class CheckpointError(SelconError):
    """A checkpoint is missing, damaged or does not fit the network."""


class CheckpointNotWritten(CheckpointError):
    """A checkpoint could not be written (disk full, no right); the former one is as it was."""


class ResultNotWritten(SelconError):
    """What was measured could not be written (disk full, no right): it is in `result`, to be shown."""

    def __init__(self, reason: OSError | SelconError, result: Any) -> None:
        if isinstance(reason, OSError):
            super().__init__(f"cannot write {reason.filename}: {reason.strerror}")
        else:
            super().__init__(str(reason))
        self.result = result


class DistributedError(SelconError):
    """Several processes cannot share work as asked."""


class ProcessLost(DistributedError):
    """A process that others train with has ended, or cannot be reached any more."""


class ExportError(SelconError):
    """An exported graph does not give what the network gives."""


class CoarseWeights(ExportError):
    """Weights in half precision would change what the graph gives."""


class AdaptError(SelconError):
    """A bundle cannot be adapted, or photos would not help: the message says what to do."""


class DistillError(SelconError):
    """A student cannot be taught, or answers too differently from its teacher: the message says what to
    do."""


class ObjectiveError(SelconError):
    """The objective was called with something it cannot use."""
