"""The message package `selcon_interfaces`, and what to tell where it is missing: the node runs without it."""

from __future__ import annotations

from selcon_ros.core.errors import first_line

try:
    from selcon_interfaces.action import GroundStream
    from selcon_interfaces.msg import AffordanceResult, Grasp, PartMask, Pixel, Reason, Times
    from selcon_interfaces.srv import Ground

    MISSING = ""
except ImportError as error:
    # Not looked for by name: below a clone's root, the folder of its sources could be imported, too.
    MISSING = (
        "no typed results and requests, for selcon_interfaces is not there "
        f"({first_line(error)}): build and source it as docs/interfaces.md says"
    )
"""Why there are neither typed results nor requests, and what to do; empty where there are."""

__all__ = [
    "MISSING",
    "AffordanceResult",
    "Grasp",
    "Ground",
    "GroundStream",
    "PartMask",
    "Pixel",
    "Reason",
    "Times",
]
