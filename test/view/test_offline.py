"""A recording and a picture, grounded without a node."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from selcon_ros.core.pictures.picture_files import write_image
from selcon_ros.model import Model, load
from selcon_ros.recording import default_recording
from selcon_ros.view.scene import Thresholds, ViewFrame
from selcon_ros.view.sources.offline import CameraFeed, OfflineSource, Shot
from selcon_ros.view.sources.picture import PictureCamera
from selcon_ros.view.sources.recording import RecordingCamera, paced

pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")
PATIENCE = 60.0


def model() -> Model:
    return load(precision="fp32")


class Counted:
    """A model's door that counts the passes of the network."""

    def __init__(self) -> None:
        self.passes = 0

    def __call__(self) -> Model:
        opened = model()
        ground = opened.ground

        def counted(image: np.ndarray) -> object:
            self.passes += 1
            return ground(image)

        opened.ground = counted  # type: ignore[method-assign]
        return opened


@pytest.fixture
def started() -> Iterator[Callable[..., OfflineSource]]:
    sources: list[OfflineSource] = []

    def start(camera: CameraFeed, *actions: str, load: Callable[[], Model] = model) -> OfflineSource:
        source = OfflineSource(camera, load, actions, Thresholds())
        sources.append(source)
        source.start()
        return source

    yield start
    for source in sources:
        source.close()


def frame_with(source: OfflineSource, wanted: Callable[[ViewFrame], bool]) -> ViewFrame:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (frame := source.newest(1.0)) is not None and wanted(frame):
            return frame
    raise AssertionError("no such frame came")


@pytest.fixture(scope="module")
def recording() -> RecordingCamera:
    return RecordingCamera(default_recording())


def test_a_recording_gives_poses_and_every_confidence(
    recording: RecordingCamera, started: Callable[..., OfflineSource]
) -> None:
    source = started(recording, "pour")
    frame = frame_with(source, lambda frame: True)
    assert frame.asked == ("pour",) and set(frame.confidences) == set(source.actions)
    assert frame.answers[0].grasps.points[0].position is not None
    assert frame.depth is not None and 0.1 < np.median(frame.depth) < 2.0
    assert set(frame.times) == {"network", "answer"}
    # It goes on, and from its end to its start again.
    assert frame_with(source, lambda later: later.stamp > frame.stamp).number > frame.number


def test_other_actions_and_thresholds_take_no_other_pass_of_the_network(
    tmp_path: Path, recording: RecordingCamera, started: Callable[..., OfflineSource]
) -> None:
    shots: list[Shot] = []
    stop = threading.Event()
    recording.run(lambda shot: (shots.append(shot), stop.set())[0], stop)
    write_image(tmp_path / "scene.png", shots[0].image)
    counted = Counted()
    source = started(PictureCamera(tmp_path / "scene.png"), load=counted)
    first = frame_with(source, lambda frame: True)
    best = max(first.confidences, key=lambda action: first.confidences[action])
    assert first.asked == (best,) and first.depth is None
    assert "no cloud" in first.diagnostics[0].text
    assert source.newest(0.5) is None  # nothing has changed
    source.set_actions(("open", "hold"))
    assert frame_with(source, lambda frame: True).asked == ("hold", "open")
    source.set_thresholds(Thresholds(min_confidence=1.0))
    refused = frame_with(source, lambda frame: frame.thresholds.min_confidence == 1.0)
    assert refused.answers[0].grasps.refused[0].reason.value == "low_confidence"
    assert counted.passes == 1


def test_an_error_of_the_camera_and_of_the_model_reaches_who_waits(
    started: Callable[..., OfflineSource],
) -> None:
    class Broken:
        title = "broken"

        def run(self, show: Callable[[Shot], None], stop: threading.Event) -> None:
            raise OSError("unplugged")

    def no_model() -> Model:
        raise ValueError("no such bundle")

    with pytest.raises(OSError, match="unplugged"):
        source = started(Broken())
        frame_with(source, lambda frame: True)
    with pytest.raises(ValueError, match="no such bundle"):
        started(Broken(), load=no_model)


def test_playing_keeps_the_pace_of_the_stamps_and_begins_again() -> None:
    stop = threading.Event()
    began, times, order = time.monotonic(), [], []
    for index in paced([5.0, 5.02, 5.06], stop):
        times.append(time.monotonic() - began)
        order.append(index)
        if len(order) == 5:
            stop.set()
    assert order == [0, 1, 2, 0, 1]
    assert all(at >= due - 1e-3 for at, due in zip(times, [0.0, 0.02, 0.06, 0.09, 0.11], strict=True))
    assert list(paced([3.0], threading.Event())) == [0]
