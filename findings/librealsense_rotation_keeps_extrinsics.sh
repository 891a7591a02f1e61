#!/bin/bash
# librealsense: depth and colour that are turned by its rotation filter are aligned as if they had not been turned.
#
# Versions: pyrealsense2 2.59.1.11053 (with libusb-package 1.0.30.0 for its libusb), numpy 2.2.6, Python 3.11.
# Expected: depth that is aligned to colour lies where the colour is, also if both were turned by the same angle. The
#   filter's own description of its change ("Enable UV mapping when rotating frames", librealsense#13921) names as its
#   limit only that "UV mapping works when both sensors are rotated at the same angle".
# Happens: the filter turns the pixels and the intrinsics. The extrinsics, where one camera is as seen from the other,
#   stay those of the pictures before: here 15 mm along x, though x is now what was y, or runs the other way. What is
#   aligned afterwards is beside its place, by fx times 15 mm by the distance each way at 90 degrees, by twice that at
#   180: half a metre from a camera that is mounted upside down 36 pixels, and a point cloud has the colours from there.
#   There is no warning. realsense2_camera with rotation_filter.enable turns depth and colour first, and makes its
#   aligned_depth_to_color of that (setupFilters in its base_realsense_node.cpp; read there, not run here).
# Seen (a white square half a metre away in front of black; the middle of what is near in the aligned depth, the middle
# of what is white, and the part of the near points that are white):
#   0 degrees: near at 337.5 239.5, white at 337.5 239.5, 100 % of the near points white
#   90 degrees: near at 257.5 319.5, white at 239.5 337.5, 60 % of the near points white
#   -90 degrees: near at 257.5 319.5, white at 239.5 301.5, 60 % of the near points white
#   180 degrees: near at 337.5 239.5, white at 301.5 239.5, 55 % of the near points white
# To do: align first, and turn what is aligned.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pyrealsense2==2.59.1.11053 libusb-package==1.0.30.0 numpy==2.2.6
cp "$(find "$folder/venv" -name libusb-1.0.so)" "$folder/libusb-1.0.so.0"
cat > "$folder/turn.py" <<'PY'
import numpy as np
import pyrealsense2 as rs

width, height, focal, baseline = 640, 480, 600, 0.015
depth = np.full((height, width), 2000, np.uint16)
depth[200:280, 280:360] = 500
shift = round(focal * baseline / 0.5)
color = np.zeros((height, width, 3), np.uint8)
color[200:280, 280 + shift : 360 + shift] = 255


def video_stream(kind, form, bpp, uid):
    intrinsics = rs.intrinsics()
    intrinsics.width, intrinsics.height = width, height
    intrinsics.fx = intrinsics.fy = focal
    intrinsics.ppx, intrinsics.ppy = (width - 1) / 2, (height - 1) / 2
    stream = rs.video_stream()
    stream.type, stream.fmt, stream.intrinsics, stream.uid = kind, form, intrinsics, uid
    stream.width, stream.height, stream.fps, stream.bpp = width, height, 30, bpp
    return stream


device = rs.software_device()
depth_sensor, color_sensor = device.add_sensor("Depth"), device.add_sensor("Color")
depth_profile = depth_sensor.add_video_stream(video_stream(rs.stream.depth, rs.format.z16, 2, 1))
color_profile = color_sensor.add_video_stream(video_stream(rs.stream.color, rs.format.rgb8, 3, 2))
depth_sensor.add_read_only_option(rs.option.depth_units, 0.001)
extrinsics = rs.extrinsics()
extrinsics.rotation, extrinsics.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [baseline, 0, 0]
depth_profile.register_extrinsics_to(color_profile, extrinsics)
device.create_matcher(rs.matchers.default)
syncer = rs.syncer()
streams = ((depth_sensor, depth_profile, depth, 2), (color_sensor, color_profile, color, 3))
for sensor, profile, _, _ in streams:
    sensor.open(profile)
    sensor.start(syncer)
for number in range(1, 10):
    for sensor, profile, pixels, bpp in streams:
        frame = rs.software_video_frame()
        frame.pixels, frame.stride, frame.bpp = pixels, width * bpp, bpp
        frame.frame_number, frame.timestamp = number, number * 33.0
        frame.domain = rs.timestamp_domain.hardware_clock
        frame.profile = profile.as_video_stream_profile()
        sensor.on_video_frame(frame)
    frames = syncer.wait_for_frames()
    if frames.size() == 2:
        break


def array(frame):
    return np.asanyarray(frame.get_data())


def middle(mask):
    return " ".join(f"{each.mean():.1f}" for each in np.nonzero(mask)[::-1])


for degrees in (0, 90, -90, 180):
    turn = rs.rotation_filter([rs.stream.depth, rs.stream.color])
    turn.set_option(rs.option.rotation, degrees)
    turned = turn.process(frames).as_frameset()
    aligned = rs.align(rs.stream.color).process(turned)
    near, white = array(aligned.get_depth_frame()), array(aligned.get_color_frame())[..., 0] > 0
    near = (near > 0) & (near < 1000)
    cloud = rs.pointcloud()
    cloud.map_to(turned.get_color_frame())
    points = cloud.calculate(turned.get_depth_frame())
    xyz = np.asanyarray(points.get_vertices()).view(np.float32).reshape(-1, 3)
    uv = np.asanyarray(points.get_texture_coordinates()).view(np.float32).reshape(-1, 2)[xyz[:, 2] == 0.5]
    u, v = np.rint(uv * white.shape[::-1]).astype(int).T
    print(
        f"{degrees} degrees: near at {middle(near)}, white at {middle(white)}, "
        f"{white[v, u].mean():.0%} of the near points white".replace("%", " %")
    )
PY
LD_LIBRARY_PATH=$folder "$folder/venv/bin/python" "$folder/turn.py" | tee "$folder/seen"
grep -qxF "0 degrees: near at 337.5 239.5, white at 337.5 239.5, 100 % of the near points white" "$folder/seen"
grep -qxF "90 degrees: near at 257.5 319.5, white at 239.5 337.5, 60 % of the near points white" "$folder/seen"
grep -qxF -- "-90 degrees: near at 257.5 319.5, white at 239.5 301.5, 60 % of the near points white" "$folder/seen"
grep -qxF "180 degrees: near at 337.5 239.5, white at 301.5 239.5, 55 % of the near points white" "$folder/seen"
