#!/bin/bash
# librealsense: depth aligned to colour is put at the colour camera's pixels, but keeps the distance to the depth camera
#
# Versions: pyrealsense2 2.59.1.11053 (with libusb-package 1.0.30.0 for its libusb), numpy 2.2.6, Python 3.11, x86-64.
#   No camera is needed.
# Expected: "Align process lets the user translate images from one viewport to another" (examples/align/readme.md). The
#   aligned frame has the colour camera's intrinsics; deprojected with these, its points are where
#   rs2_transform_point_to_point has them. ROS's depth_image_proc (register) writes the z after the transform.
# Happens, without a word: each point is transformed to find its pixel in the colour image, but the value that is put
#   there is the one from before, along the depth camera's axis. The point is on the right ray, at a wrong distance. For
#   cameras side by side that look the same way, the two values are one. Turned by 0.22 degrees, as in the D435 of
#   realsense-ros' issue 988, it is millimetres. With a colour camera of one's own ("You can also use your own
#   calibration data", doc/api_arch.md) it is centimetres, and a wall that this camera sees at an angle of 10 degrees
#   comes out as if it looked straight at it.
# Seen: a flat wall, 2000 mm before the depth camera; its points 800 mm to the left and to the right of the axis:
#   side by side: 2000 for 2000 mm, 0 mm off; 2000 for 2000 mm, 0 mm off
#   turned by 0.22 degrees: 2000 for 1997 mm, 3 mm off; 2000 for 2003 mm, 3 mm off
#   50 mm ahead, turned by 10 degrees: 2000 for 1781 mm, 259 mm off; 2000 for 2059 mm, 60 mm off
# To do: align colour to depth, and use the depth camera's intrinsics. Or transform the points of the depth image with
#   the extrinsics, and project them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pyrealsense2==2.59.1.11053 libusb-package==1.0.30.0 numpy==2.2.6
cp "$(find "$folder/venv" -name libusb-1.0.so)" "$folder/libusb-1.0.so.0"
cat > "$folder/align.py" <<'PY'
import math

import numpy as np
import pyrealsense2 as rs

WIDTH, HEIGHT = 640, 480
LENS = rs.intrinsics()
LENS.width, LENS.height, LENS.fx, LENS.fy = WIDTH, HEIGHT, 450, 450
LENS.ppx, LENS.ppy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2


def frames(depth, depth_to_colour, keep=[]):
    """Return a depth image and a black colour image as a frameset."""
    device, cameras = rs.software_device(), []
    colour = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, (kind, form, image) in enumerate(
        ((rs.stream.depth, rs.format.z16, depth), (rs.stream.color, rs.format.rgb8, colour))
    ):
        stream = rs.video_stream()
        stream.type, stream.fmt, stream.intrinsics, stream.uid = kind, form, LENS, number
        stream.width, stream.height, stream.fps = WIDTH, HEIGHT, 30
        stream.bpp = image.nbytes // (WIDTH * HEIGHT)
        sensor = device.add_sensor(str(kind))
        cameras.append((sensor, sensor.add_video_stream(stream), stream.bpp, image))
    cameras[0][0].add_read_only_option(rs.option.depth_units, 0.001)
    cameras[0][1].register_extrinsics_to(cameras[1][1], depth_to_colour)
    device.create_matcher(rs.matchers.default)
    together = rs.syncer()
    for sensor, profile, _, _ in cameras:
        sensor.open(profile)
        sensor.start(together)
    keep.append((device, cameras, together))
    for number in range(1, 6):
        for sensor, profile, bpp, image in cameras:
            frame = rs.software_video_frame()
            frame.pixels, frame.stride, frame.bpp = image, WIDTH * bpp, bpp
            frame.timestamp, frame.domain = number * 33, rs.timestamp_domain.hardware_clock
            frame.frame_number, frame.profile = number, profile.as_video_stream_profile()
            sensor.on_video_frame(frame)
        both = together.wait_for_frames(5000)
        if both.get_depth_frame() and both.get_color_frame():
            return both
    raise SystemExit("no frameset with both images")


wall = np.full((HEIGHT, WIDTH), 2000, np.uint16)
for name, degrees, ahead in (
    ("side by side", 0, 0),
    ("turned by 0.22 degrees", 0.22, 0),
    ("50 mm ahead, turned by 10 degrees", 10, 0.05),
):
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    depth_to_colour = rs.extrinsics()
    depth_to_colour.rotation = [cos, 0, sin, 0, 1, 0, -sin, 0, cos]  # by columns
    depth_to_colour.translation = [0.015, 0, -ahead]
    aligned = rs.align(rs.stream.color).process(frames(wall, depth_to_colour)).get_depth_frame()
    lens = aligned.profile.as_video_stream_profile().intrinsics
    told = []
    for x in (-0.8, 0.8):
        point = rs.rs2_transform_point_to_point(depth_to_colour, [x, 0, 2.0])
        pixel = rs.rs2_project_point_to_pixel(lens, point)
        value = aligned.get_distance(*map(round, pixel))
        off = math.dist(rs.rs2_deproject_pixel_to_point(lens, pixel, value), point)
        told.append(f"{1000 * value:.0f} for {1000 * point[2]:.0f} mm, {1000 * off:.0f} mm off")
    print(f"{name}: {'; '.join(told)}")
PY
LD_LIBRARY_PATH=$folder "$folder/venv/bin/python" "$folder/align.py" | tee "$folder/seen"
grep -qxF "side by side: 2000 for 2000 mm, 0 mm off; 2000 for 2000 mm, 0 mm off" "$folder/seen"
grep -qxF "turned by 0.22 degrees: 2000 for 1997 mm, 3 mm off; 2000 for 2003 mm, 3 mm off" "$folder/seen"
grep -qxF "50 mm ahead, turned by 10 degrees: 2000 for 1781 mm, 259 mm off; 2000 for 2059 mm, 60 mm off" "$folder/seen"
