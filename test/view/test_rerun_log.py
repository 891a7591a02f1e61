"""A recording for rerun, read back: what a frame has is there, as what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rerun.chunk", reason="rerun 0.41 is missing: pip install 'selcon_ros[rerun]'")

from rerun.chunk import RrdReader

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_points import deproject
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.view import rerun_log
from selcon_ros.view.rerun_log import RerunLog
from selcon_ros.view.scene import ActionAnswer, Diagnostic, TargetFrame, Thresholds, ViewFrame
from support.disk import files_of_at_most
from support.scenes import bar_depth, scene

SIZE, PART = (320, 240), (60, 48, 92, 144)
IMAGE, DEPTH = scene(*SIZE, hold=PART), bar_depth(*SIZE, PART) * np.float32(0.001)
LENS = Intrinsics(300.0, 310.0, 159.5, 119.5, *SIZE)
GRASPS = (
    GraspPoint((76.0, 96.0), 0.9, (0.1, 0.2, 0.7), (0.0, 0.0, 0.0, 1.0), 0.04),
    GraspPoint((80.0, 60.0), 0.5, (0.1, -0.2, 0.7), (0.0, 0.0, 0.5**0.5, 0.5**0.5), None),
    GraspPoint((80.0, 60.0), 0.4),
)


def answer(action: str, confidence: float = 0.8) -> ActionAnswer:
    values = np.zeros(SIZE[::-1], np.float32)
    values[48:144, 60:92] = 1.0
    values[0, 0] = 0.5
    return ActionAnswer(Heatmap(action, values, confidence), GraspResult(GRASPS), IMAGE[:, ::-1].copy())


def frame(number: int = 1, *actions: str, **changes: Any) -> ViewFrame:
    return replace(
        ViewFrame(
            number=number,
            stamp=100.0 + 0.1 * number,
            frame_id="camera",
            image=IMAGE,
            depth=DEPTH,
            intrinsics=LENS,
            answers=tuple(answer(action) for action in actions or ("hold",)),
            confidences={"hold": 0.8, "cut/with it": 0.1},
            thresholds=Thresholds(),
            times={"network": 12.5},
            diagnostics=(Diagnostic("warning", "no depth\nfor long"),),
            target=TargetFrame("base", Rigid((0.0, 0.0, 0.0, 1.0), (1.0, 2.0, 3.0))),
        ),
        **changes,
    )


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """Write frames, and read the file: of each entity its rows, of each row the columns that it has."""

    def record(*frames: ViewFrame, stride: int = 2, name: str = "out.rrd") -> dict[str, list[dict[str, Any]]]:
        log = RerunLog(tmp_path / name, stride)
        for each in frames:
            log.show(each)
        log.close()
        found: dict[str, list[dict[str, Any]]] = {}
        for chunk in RrdReader(tmp_path / name).stream():
            columns = {key.rpartition(":")[2]: column for key, column in columns_of(chunk.to_record_batch())}
            for place in range(chunk.num_rows):
                row = {key: column[place] for key, column in columns.items() if column[place] is not None}
                found.setdefault(chunk.entity_path, []).append(row)
        for rows in found.values():
            rows.sort(key=lambda row: row.get("frame", 0))
        return found

    return record


def columns_of(batch: Any) -> Iterator[tuple[str, list[Any]]]:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        is_time = str(column.type).startswith(("timestamp", "duration"))
        yield name, (column.cast("int64") if is_time else column).to_pylist()


def array(row: dict[str, Any], name: str) -> np.ndarray:
    return np.array(row[name])


def test_camera_and_pictures(record) -> None:
    found = record(frame())
    (camera,) = found["/world/camera"]
    matrix = array(camera, "image_from_camera").reshape(3, 3).T
    assert (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]) == (300.0, 310.0, 159.5, 119.5)
    assert array(camera, "resolution").ravel().tolist() == list(SIZE)
    assert camera["frame"] == 1 and camera["stamp"] == 100_100_000_000
    for path, picture in (("image", IMAGE), ("overlay/hold", IMAGE[:, ::-1])):
        blob = array(found[f"/world/camera/{path}"][0], "blob").astype(np.uint8).ravel()
        read = cv2.cvtColor(cv2.imdecode(blob, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.abs(read.astype(int) - picture).mean() < 6
    (depth,) = found["/world/camera/depth"]
    read = array(depth, "buffer").astype(np.uint8).view(np.uint16).reshape(SIZE[::-1])
    assert depth["meter"] == [1000.0] and np.array_equal(read, np.rint(1000 * DEPTH))
    heat = array(found["/world/camera/heatmap/hold"][0], "buffer").astype(np.uint8).reshape(SIZE[::-1])
    assert heat[0, 0] == 128 and heat[100, 70] == 255 and heat.astype(bool).sum() == 96 * 32 + 1


def test_the_cloud_has_the_heats_colours(record) -> None:
    found = record(frame(), stride=4)
    (cloud,) = found["/world/cloud"]
    points = deproject(DEPTH[::4, ::4], LENS, step=4)
    np.testing.assert_allclose(array(cloud, "positions"), points[np.isfinite(points[..., 2])], atol=1e-6)
    colours = array(cloud, "colors").astype(np.uint32)
    without = record(frame(answers=()), stride=4, name="without.rrd")
    plain = array(without["/world/cloud"][0], "colors").astype(np.uint32)
    assert 0 < (colours != plain).mean() < 0.2


def test_grasps_are_arrows_and_boxes(record) -> None:
    found = record(frame())
    (arrows,) = found["/world/grasps/hold/approach"]
    ends = array(arrows, "origins") + array(arrows, "vectors")
    np.testing.assert_allclose(ends, [[0.1, 0.2, 0.7], [0.1, -0.2, 0.7]], atol=1e-6)
    np.testing.assert_allclose(array(arrows, "vectors"), [[0, 0, 0.1]] * 2, atol=1e-6)
    assert arrows["labels"][0] == "hold 0.90 · 40 mm"
    (boxes,) = found["/world/grasps/hold/gripper"]
    centers = array(boxes, "centers")
    assert centers.shape == (6, 3)
    np.testing.assert_allclose(
        centers[:3], [[0.08, 0.2, 0.685], [0.12, 0.2, 0.685], [0.1, 0.2, 0.67]], atol=1e-6
    )
    np.testing.assert_allclose(centers[3:5, 0], 0.1, atol=1e-6)  # turned: it closes along y
    assert array(boxes, "half_sizes")[2, 0] == pytest.approx(0.02)


def test_confidences_times_and_diagnostics(record) -> None:
    found = record(frame(1), frame(2), frame(3, diagnostics=()))
    assert [array(row, "scalars").item() for row in found["/confidence/hold"]] == [0.8] * 3
    assert len(found["/confidence/cut\\/with\\ it"]) == 3
    assert [array(row, "scalars").item() for row in found["/milliseconds/network"]] == [12.5] * 3
    (line,) = found["/diagnostics"]
    assert (line["text"], line["level"]) == (["no depth\\nfor long"], ["WARN"])
    assert array(found["/world/target"][0], "translation").ravel().tolist() == [1.0, 2.0, 3.0]


def test_a_viewer_has_a_view_of_each_picture_of_an_action(record, tmp_path: Path) -> None:
    record(frame(1), frame(2, "pour", "cut/with it"), frame(3, "pour", "cut/with it"))
    names: list[list[str]] = []
    for each in RrdReader(tmp_path / "out.rrd").blueprints():
        columns = [
            dict(columns_of(chunk.to_record_batch()))
            for chunk in RrdReader(tmp_path / "out.rrd").stream(store=each)
        ]
        found = [column for one in columns for key, column in one.items() if key.endswith("display_name")]
        names.append(sorted(name for column in found for row in column for name in row))
    others = ["confidence", "depth", "diagnostics", "milliseconds"]
    of = {kind: [f"{kind} {action}" for action in ("pour", "cut/with it")] for kind in ("heatmap", "overlay")}
    assert sorted(names) == sorted(
        [
            sorted([*others, "heatmap hold", "overlay hold"]),
            sorted([*others, *of["heatmap"], *of["overlay"]]),
        ]
    )


def test_what_is_gone_is_taken_away(record) -> None:
    found = record(frame(1, "hold", "pour"), frame(2, "pour", depth=None, intrinsics=None, target=None))
    gone = ("camera/heatmap/hold", "camera/overlay/hold", "grasps/hold", "camera/depth", "cloud", "target")
    for path in gone:
        assert found[f"/world/{path}"][-1]["is_recursive"] == [True], path
    assert "is_recursive" not in found["/world/grasps/pour/approach"][-1]


def test_a_recording_that_is_played_again_adds_nothing(record) -> None:
    again = [frame(number, stamp=100.0 + 0.1 * (number % 2)) for number in range(1, 6)]
    found = record(*again, frame(6, "pour", stamp=100.0))
    assert [row["frame"] for row in found["/world/camera/image"]] == [1, 6]


def test_depth_that_is_none_is_0(record) -> None:
    odd = DEPTH.copy()
    odd[0, :4] = [np.nan, np.inf, -1.0, 70.0]
    (depth,) = record(frame(depth=odd))["/world/camera/depth"]
    assert not array(depth, "buffer")[..., :8].any()


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("MAX_FILE_BYTES", 1000, "has 0 GiB"), ("MIN_FREE_DISK_BYTES", 1 << 60, "disk with less")],
)
def test_no_more_is_written_than_there_is_room_for(
    record,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limit: str,
    value: int,
    said: str,
) -> None:
    monkeypatch.setattr(rerun_log, "CLOSE_SECONDS", 60.0)
    wanted: list[bool] = []
    real = RerunLog.show

    def show(self: RerunLog, each: ViewFrame) -> None:
        real(self, each)
        self._rec.flush()
        wanted.append(self.wanted)
        monkeypatch.setattr(rerun_log, limit, value)

    monkeypatch.setattr(RerunLog, "show", show)
    found = record(*map(frame, range(1, 6)))
    assert wanted == [True, False, False, False, False]
    assert [row["frame"] for row in found["/world/camera/image"]] == [1, 2]
    assert said in caplog.text and said in found["/diagnostics"][-1]["text"][0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.mcap", "it must end in .rrd"),
        ("none/out.rrd", "none/out.rrd cannot be written: No such file"),
        ("there.rrd", "exists: delete"),
    ],
)
def test_a_file_that_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.rrd").touch()
    with pytest.raises(SelconError, match=said):
        RerunLog(Path(name), 2)


def test_a_disk_that_is_full_already_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.rrd"
    with files_of_at_most(1), pytest.raises(SelconError, match=r"a\.rrd cannot be written: .*File too large"):
        RerunLog(path, stride=1)
    assert not path.exists()
