#!/bin/bash
# librealsense: depth aligned to a colour camera with lens distortion is as if that had none: several pixels off
#
# Versions: pyrealsense2 2.59.1.11053 (with libusb-package 1.0.30.0 for its libusb), numpy 2.2.6, Python 3.11, x86-64.
#   No camera is needed.
# Expected: rs.align puts a depth pixel where rs2_project_point_to_pixel, the point cloud's texture coordinates, and
#   rs.align in the other direction have it in the colour image. The aligned frame has the colour camera's intrinsics,
#   with its coefficients; and the maintainers say that it is aligned with the distorted image that is published
#   (realsense-ros, issue 2867).
# Happens, without a word: with inverse_brown_conrady, which is the model of a D455's colour camera, and with
#   brown_conrady, aligning depth to colour leaves the coefficients out. The depth of what is seen at a pixel of the
#   colour image is then 5 pixels away in the aligned depth; near the rim of an object, the pixel has the depth of the
#   wall behind it. With modified_brown_conrady the coefficients are used. Aligning colour to depth uses them with
#   inverse_brown_conrady too, and leaves them out with brown_conrady. In the source, sse-align.cpp decides this, and
#   neon-align.cpp for ARM in the same way.
# Seen (1280 x 720, focal length 640, coefficients about those of a D455), where the depth pixel (1000, 600) is in the
#   colour image; the last two by rs.align, to depth and to colour:
#   none: projected (1000, 600), texture (1000, 600), to depth (1000, 600), to colour (1000, 600)
#   brown_conrady: projected (996, 597), texture (996, 597), to depth (1000, 600), to colour (1000, 600)
#   inverse_brown_conrady: projected (996, 597), texture (996, 597), to depth (995, 597), to colour (1000, 600)
#   modified_brown_conrady: projected (996, 597), texture (996, 597), to depth (995, 597), to colour (995, 597)
# To do: rectify the colour image with its own camera matrix; the aligned depth fits it then. Use both with that matrix
#   and without coefficients. Or, with inverse_brown_conrady, align colour to depth. Where all coefficients are 0,
#   nothing is wrong.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pyrealsense2==2.59.1.11053 libusb-package==1.0.30.0 numpy==2.2.6
cp "$(find "$folder/venv" -name libusb-1.0.so)" "$folder/libusb-1.0.so.0"
cat > "$folder/align.py" <<'PY'
import numpy as np
import pyrealsense2 as rs

WIDTH, HEIGHT = 1280, 720
X, Y = 1000, 600


def lens(model):
    made = rs.intrinsics()
    made.width, made.height, made.model = WIDTH, HEIGHT, model
    made.fx = made.fy = 640
    made.ppx, made.ppy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    made.coeffs = [-0.0565, 0.0682, 0.0004, 0.0007, -0.0218]
    return made


def frames(depth, colour, colour_lens, keep=[]):
    """Return both images as a frameset of a depth and a colour camera in one place, looking the same way."""
    device, same_place = rs.software_device(), rs.extrinsics()
    same_place.rotation, same_place.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]
    cameras = []
    for number, (kind, form, intrinsics, image) in enumerate(
        (
            (rs.stream.depth, rs.format.z16, lens(rs.distortion.none), depth),
            (rs.stream.color, rs.format.rgb8, colour_lens, colour),
        )
    ):
        stream = rs.video_stream()
        stream.type, stream.fmt, stream.intrinsics, stream.uid = kind, form, intrinsics, number
        stream.width, stream.height, stream.fps = WIDTH, HEIGHT, 30
        stream.bpp = image.nbytes // (WIDTH * HEIGHT)
        sensor = device.add_sensor(str(kind))
        cameras.append((sensor, sensor.add_video_stream(stream), stream.bpp, image))
    cameras[0][0].add_read_only_option(rs.option.depth_units, 0.001)
    cameras[0][1].register_extrinsics_to(cameras[1][1], same_place)
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


depth = np.zeros((HEIGHT, WIDTH), np.uint16)
depth[Y - 5 : Y + 6, X - 5 : X + 6] = 1000  # a square a metre away, and nothing else
pixels = np.arange(HEIGHT * WIDTH, dtype=">u4").reshape(HEIGHT, WIDTH, 1)
colour = np.ascontiguousarray(pixels.view(np.uint8)[..., 1:])  # each pixel tells where it is
for name in ("none", "brown_conrady", "inverse_brown_conrady", "modified_brown_conrady"):
    colour_lens = lens(getattr(rs.distortion, name))
    both = frames(depth, colour, colour_lens)
    point = rs.rs2_deproject_pixel_to_point(lens(rs.distortion.none), [X, Y], 1.0)
    projected = rs.rs2_project_point_to_pixel(colour_lens, point)

    cloud = rs.pointcloud()
    cloud.map_to(both.get_color_frame())
    texture = np.asanyarray(cloud.calculate(both.get_depth_frame()).get_texture_coordinates())
    texture = texture.view(np.float32).reshape(HEIGHT, WIDTH, 2)[Y, X] * (WIDTH, HEIGHT)

    picture = rs.align(rs.stream.depth).process(both).get_color_frame()
    came_from = int.from_bytes(np.asanyarray(picture.get_data())[Y, X].tobytes(), "big")
    aligned = rs.align(rs.stream.color).process(both).get_depth_frame()
    assert aligned.profile.as_video_stream_profile().intrinsics.coeffs == colour_lens.coeffs
    place = np.argwhere(np.asanyarray(aligned.get_data())).mean(axis=0)[::-1]

    projected, texture, place = (f"({x:.0f}, {y:.0f})" for x, y in (projected, texture, place))
    print(
        f"{name}: projected {projected}, texture {texture}, "
        f"to depth ({came_from % WIDTH}, {came_from // WIDTH}), to colour {place}"
    )
PY
LD_LIBRARY_PATH=$folder "$folder/venv/bin/python" "$folder/align.py" | tee "$folder/seen"
same="projected (1000, 600), texture (1000, 600)"
bent="projected (996, 597), texture (996, 597)"
grep -qxF "none: $same, to depth (1000, 600), to colour (1000, 600)" "$folder/seen"
grep -qxF "brown_conrady: $bent, to depth (1000, 600), to colour (1000, 600)" "$folder/seen"
grep -qxF "inverse_brown_conrady: $bent, to depth (995, 597), to colour (1000, 600)" "$folder/seen"
grep -qxF "modified_brown_conrady: $bent, to depth (995, 597), to colour (995, 597)" "$folder/seen"
