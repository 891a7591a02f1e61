#!/bin/bash
# librealsense: on disparity, the hole filling filter takes the nearest neighbour for the farthest, and vice versa
#
# Versions: pyrealsense2 2.59.1.11053 (with libusb-package 1.0.30.0 for its libusb), numpy 2.2.6, Python 3.11.
# Expected: the hole filling filter, which takes depth and disparity, fills a hole between a cup at 0.5 m and a wall at
#   1.5 m with the wall in mode 1 (farest_from_around, the default: the neighbour that is farthest from the sensor), and
#   with the cup in mode 2 (nearest_from_around), in either.
# Happens, without a word: the filter compares numbers. A large depth is far, but a large disparity is near. On a
#   disparity frame mode 1 makes the cup larger, over the gap beside it, and mode 2 fills the gap with the wall.
#   The spatial and the temporal filter are meant to run on disparity, so it is easily put beside them.
# Seen, a row of millimetres with a hole of three pixels:
#   depth, mode 1: 500 500 1500 1500 1500 1500 1500
#   disparity, mode 1: 500 500 500 500 500 1500 1500
#   depth, mode 2: 500 500 500 500 500 1500 1500
#   disparity, mode 2: 500 500 1500 1500 1500 1500 1500
# To do: fill holes last, behind the transform back to depth.
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


depth = np.full((8, 16), 1500, np.uint16)
depth[:, :6] = 500
depth[3:5, 6:9] = 0
for mode in (1, 2):
    for domain in ("depth", "disparity"):
        frame = depth_frame(depth)
        fill = rs.hole_filling_filter(mode)
        if domain == "depth":
            frame = fill.process(frame)
        else:
            frame = rs.disparity_transform(False).process(fill.process(rs.disparity_transform(True).process(frame)))
        row = np.asanyarray(frame.get_data())[3, 4:11]
        print(f"{domain}, mode {mode}: {' '.join(map(str, row.tolist()))}")
PY
LD_LIBRARY_PATH=$folder "$folder/venv/bin/python" "$folder/filter.py" | tee "$folder/seen"
grep -qxF "depth, mode 1: 500 500 1500 1500 1500 1500 1500" "$folder/seen"
grep -qxF "disparity, mode 1: 500 500 500 500 500 1500 1500" "$folder/seen"
grep -qxF "depth, mode 2: 500 500 500 500 500 1500 1500" "$folder/seen"
grep -qxF "disparity, mode 2: 500 500 1500 1500 1500 1500 1500" "$folder/seen"
