"""A video file as a camera, and webcams that are not there."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from selcon_ros.view.sources.offline import Shot
from selcon_ros.view.sources.video import VideoCamera, VideoError


def video(path: Path, shades: list[int]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 50.0, (64, 48))
    for shade in shades:
        writer.write(np.full((48, 64, 3), (shade, 0, 0), np.uint8))  # blue, in OpenCV's order
    writer.release()
    return path


def test_a_video_is_played_again_and_again_in_rgb(tmp_path: Path) -> None:
    camera = VideoCamera(video(tmp_path / "film.avi", [50, 150, 250]))
    shots: list[Shot] = []
    stop = threading.Event()
    camera.run(lambda shot: (shots.append(shot), stop.set() if len(shots) == 5 else None)[0], stop)
    blue = [int(shot.image[24, 32, 2]) for shot in shots]
    assert blue == pytest.approx([50, 150, 250, 50, 150], abs=8)
    assert int(shots[0].image[24, 32, 0]) < 30 and "without depth" in shots[0].notes[0]


@pytest.mark.parametrize("device", [63, Path("/dev/video63")])
def test_a_webcam_that_is_not_there(device: int | Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(VideoError, match="webcam .*63 cannot be opened: is it plugged in"):
        VideoCamera(device)
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(VideoError, match="no video that OpenCV reads"):
        VideoCamera(tmp_path / "film.mp4")
