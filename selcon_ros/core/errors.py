"""Every error that a user can cause: shown as one sentence, never as a traceback."""

from selcon_ros.core.text import one_line


class SelconError(ValueError):
    """Bad input; the message names the thing, its value and what to do."""


class BundleError(SelconError):
    """A model bundle is missing, incomplete, tampered with or of another format."""


class BackendError(SelconError):
    """An inference engine is missing, or does not do what the bundle's manifest says."""


class NotInstalledError(BackendError):
    """A library or driver that an engine needs is not there."""


class EngineError(BackendError):
    """A built engine is damaged, or not what its bundle asks for: it has to be built again."""


class UnknownActionError(SelconError):
    """The model does not know this action."""


class ImageError(SelconError):
    """An image is unreadable or has the wrong shape or type."""


class DepthError(SelconError):
    """A depth image does not belong to the colour image, or is not in metres."""


class CameraError(SelconError):
    """A camera is not calibrated, or its calibration belongs to another image size."""


class ParameterError(SelconError):
    """A parameter is out of its range."""


class Cancelled(SelconError):
    """A long piece of work was ended by its progress function, which raises this."""


def first_line(error: Exception) -> str:
    """Return the first line of a library's error, printable and short, or its type if it says nothing."""
    return one_line((str(error).strip().splitlines() or [type(error).__name__])[0], 300)
