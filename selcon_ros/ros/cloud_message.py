"""Points as `sensor_msgs/PointCloud2`, laid out as RViz and PCL take them."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from selcon_ros.core.outputs.cloud import Cloud

FIELDS = ("x", "y", "z", "rgb", "heat")
"""Each a float32; `rgb` has the bytes of 0x00RRGGBB in the place of a number."""
_FIELD_BYTES = 4


def cloud_message(cloud: Cloud, header: Header) -> PointCloud2:
    """A cloud in the header's frame: one row if it is a list, the image's rows and columns if organised.

    Little-endian whatever the machine, `FIELDS` without gaps, rows without padding. Dense unless a point is
    missing, which is NaN then.
    """
    points = cloud.points if cloud.points.ndim == 3 else cloud.points[None]
    height, width = points.shape[:2]
    values = np.empty((height, width, len(FIELDS)), "<f4")
    values[..., :3] = points
    packed = values.view(np.uint8)[..., 3 * _FIELD_BYTES : 4 * _FIELD_BYTES]
    packed[..., :3] = cloud.colours[..., ::-1]  # blue is the lowest byte
    packed[..., 3] = 0
    values[..., 4] = cloud.heat
    return PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=[
            PointField(name=name, offset=_FIELD_BYTES * place, datatype=PointField.FLOAT32, count=1)
            for place, name in enumerate(FIELDS)
        ],
        is_bigendian=False,
        point_step=_FIELD_BYTES * len(FIELDS),
        row_step=_FIELD_BYTES * len(FIELDS) * width,
        data=array.array("B", values.tobytes()),
        is_dense=bool(np.isfinite(points).all()),
    )
