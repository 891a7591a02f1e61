#!/bin/bash
# librealsense: the decimation filter moves all points: at its largest step by more than 5 mm at a metre
#
# Versions: pyrealsense2 2.59.1.11053 (with libusb-package 1.0.30.0 for its libusb), numpy 2.2.6, Python 3.11.
# Expected: a square a metre away, in the middle of the picture, has its middle on the optical axis, whether the depth
#   is decimated or not.
# Happens: librealsense counts pixels from the centre of the first ("[0,0] referring to the center of the top left
#   pixel", doc/projection.md), and so does its point cloud. A pixel of the decimated picture stands for a block of
#   N x N, and the centre of the first block is at (N - 1) / 2. Its principal point is thus (ppx - (N - 1) / 2) / N. The
#   filter, whose intrinsics "are recalculated to compensate for the resolution changes", gives ppx / N. All points lie
#   (N - 1) / 2 of the sensor's pixels too far left and up: with fx 600 and the default N of 2, 0.8 mm at a metre; with
#   8, 5.8 mm. Twice as far away it is twice as much.
# Seen:
#   step 1: ppx 319.5, middle of the square at x 0.0 mm, y 0.0 mm
#   step 2: ppx 159.75, middle of the square at x -0.8 mm, y -0.8 mm
#   step 4: ppx 79.875, middle of the square at x -2.5 mm, y -2.5 mm
#   step 8: ppx 39.9375, middle of the square at x -5.8 mm, y -5.8 mm
# To do: take (N - 1) / (2 N) from ppx and ppy of a decimated frame, and deproject with these; or do not decimate.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pyrealsense2==2.59.1.11053 libusb-package==1.0.30.0 numpy==2.2.6
cp "$(find "$folder/venv" -name libusb-1.0.so)" "$folder/libusb-1.0.so.0"
cat > "$folder/filter.py" <<'PY'
import numpy as np
import pyrealsense2 as rs


def depth_frame(depth, keep=[]):
    height, width = depth.shape
    intrinsics = rs.intrinsics()
    intrinsics.width, intrinsics.height = width, height
    intrinsics.fx = intrinsics.fy = 600
    intrinsics.ppx, intrinsics.ppy = (width - 1) / 2, (height - 1) / 2
    stream = rs.video_stream()
    stream.type, stream.fmt, stream.intrinsics = rs.stream.depth, rs.format.z16, intrinsics
    stream.width, stream.height, stream.fps, stream.bpp = width, height, 30, 2
    device = rs.software_device()
    sensor = device.add_sensor("depth")
    profile = sensor.add_video_stream(stream)
    sensor.add_read_only_option(rs.option.depth_units, 0.001)
    sensor.add_read_only_option(rs.option.stereo_baseline, 50)
    queue = rs.frame_queue(1)
    sensor.open(profile)
    sensor.start(queue)
    frame = rs.software_video_frame()
    frame.pixels, frame.stride, frame.bpp, frame.frame_number = depth, width * 2, 2, 1
    frame.profile = profile.as_video_stream_profile()
    sensor.on_video_frame(frame)
    keep.append((device, sensor, queue))
    return queue.wait_for_frame()


depth = np.full((480, 640), 2000, np.uint16)
depth[200:280, 280:360] = 1000
for step in (1, 2, 4, 8):
    small = rs.decimation_filter(step).process(depth_frame(depth))
    points = rs.pointcloud().calculate(small.as_depth_frame()).get_vertices()
    points = np.asanyarray(points).view(np.float32).reshape(-1, 3)
    x, y, _ = points[points[:, 2] == 1].mean(axis=0) * 1000
    ppx = small.profile.as_video_stream_profile().intrinsics.ppx
    x, y = (round(float(value), 1) + 0.0 for value in (x, y))
    print(f"step {step}: ppx {ppx:g}, middle of the square at x {x} mm, y {y} mm")
PY
LD_LIBRARY_PATH=$folder "$folder/venv/bin/python" "$folder/filter.py" | tee "$folder/seen"
grep -qxF "step 1: ppx 319.5, middle of the square at x 0.0 mm, y 0.0 mm" "$folder/seen"
grep -qxF "step 2: ppx 159.75, middle of the square at x -0.8 mm, y -0.8 mm" "$folder/seen"
grep -qxF "step 4: ppx 79.875, middle of the square at x -2.5 mm, y -2.5 mm" "$folder/seen"
grep -qxF "step 8: ppx 39.9375, middle of the square at x -5.8 mm, y -5.8 mm" "$folder/seen"
