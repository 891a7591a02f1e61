"""The message package `selcon_interfaces`, and what to tell where it is missing: the node runs without it."""

from __future__ import annotations

from typing import Any

from selcon_ros.core.errors import first_line

FIELDS = {
    "AffordanceResult": "header image_height image_width action confidence grasps reasons times model",
    "Grasp": "has_pose pose width pixel jaws score part reason",
    "PartMask": "roi step mask",
    "Pixel": "x y",
    "Reason": "code text",
    "Times": "latency waiting inference overhead grasping",
    "Ground_Request": "actions wait_for_new_image timeout heatmaps",
    "Ground_Response": "reason results heatmaps",
    "GroundStream_Goal": "actions max_images timeout heatmaps",
    "GroundStream_Result": "reason answered_images results",
    "GroundStream_Feedback": "results heatmaps",
}
"""The fields that this node fills in or reads."""


def lacking(kinds: tuple[Any, ...]) -> str:
    """Return which of `FIELDS` message classes lack, as "Grasp.part, ..."; empty for this version's."""
    return ", ".join(
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name in FIELDS[kind.__name__].split()
        if name not in kind.get_fields_and_field_types()
    )


try:
    from selcon_interfaces.action import GroundStream
    from selcon_interfaces.msg import AffordanceResult, Grasp, PartMask, Pixel, Reason, Times
    from selcon_interfaces.srv import Ground

    _lacks = lacking(
        (
            *(AffordanceResult, Grasp, PartMask, Pixel, Reason, Times, Ground.Request, Ground.Response),
            *(GroundStream.Goal, GroundStream.Result, GroundStream.Feedback),
        )
    )
    _fault = f"is of another version (it lacks {_lacks})" if _lacks else ""
except ImportError as error:
    # Not looked for by name: below a clone's root, the folder of its sources could be imported, too.
    _fault = f"is not there ({first_line(error)})"
MISSING = (
    f"no typed results and requests, for the optional selcon_interfaces {_fault}: to have them, "
    "build and source it as docs/interfaces.md says"
    if _fault
    else ""
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
