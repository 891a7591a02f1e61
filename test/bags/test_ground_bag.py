"""A bag is grounded as a whole: what comes out, what a stop leaves, and the same answers as the node's."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from selcon_ros.bags import plan, run
from selcon_ros.bags.nearest import nearest
from selcon_ros.bags.parts import RELIABLE
from selcon_ros.bags.reader import BagReader
from selcon_ros.cli.main import main
from selcon_ros.engines.choice_record import CpuTimes
from support.bags import camera, joined, messages, part_at, rows, write_bag
from support.bundles import colour_bundle, with_int8
from support.choices import measured_by
from support.pages import checked_page

COUNT = 5


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "IMAGES_PER_SEGMENT", 2)


@pytest.mark.usefixtures("in_processes")
@pytest.mark.parametrize(
    ("plugin", "compression"),
    [(StoragePlugin.MCAP, CompressionMode.FILE), (StoragePlugin.SQLITE3, CompressionMode.NONE)],
)
def test_the_new_bag_has_both(
    tmp_path: Path, ground: Callable[..., Result], plugin: StoragePlugin, compression: CompressionMode
) -> None:
    chatter = [("/chatter", String(data=str(number)), 10**11 + number) for number in range(3)]
    bag = write_bag(tmp_path / "bag", [*camera(COUNT), *chatter], plugin, compression, chatter=RELIABLE)
    outcome = ground(bag)
    assert outcome.exit_code == 0, outcome.output
    assert f"hold: grasp points in {COUNT} of {COUNT} images" in outcome.output
    before, after = messages(bag), messages(tmp_path / "out" / "bag")
    assert {topic: after[topic] for topic in before} == before
    ours = {
        f"/affordance/{name}"
        for name in ("heatmap", "grasp_points", "overlay/compressed", "markers", "cloud")
    }
    assert after.keys() - before.keys() == {*ours, "/affordance/status"}
    received = [time for time, _ in before["/camera/image"]]
    assert all([time for time, _ in after[topic]] == received for topic in ours)
    with AnyReader([tmp_path / "out" / "bag"]) as reader:
        qos = {each.topic: each.ext.offered_qos_profiles for each in reader.connections}
    assert qos["/chatter"] == qos["/affordance/heatmap"] == list(RELIABLE) and qos["/camera/image"] == []


def test_the_table_says_where_the_part_is(tmp_path: Path, ground: Callable[..., Result]) -> None:
    assert ground(write_bag(tmp_path / "bag", camera(COUNT))).exit_code == 0
    for index, row in enumerate(rows(tmp_path / "out")):
        left, top, right, bottom = part_at(index)
        assert left <= float(row["u"]) < right and top <= float(row["v"]) < bottom
        assert float(row["z"]) == pytest.approx(0.76, abs=0.002)
        assert abs(int(row["stamp"]) - round(1e9 * (100.0 + 0.1 * index))) <= 1
        assert row["note"] == ""


def test_the_page_shows_pictures(tmp_path: Path, ground: Callable[..., Result]) -> None:
    assert ground(write_bag(tmp_path / "bag", camera(COUNT)), action="hold,cut_with").exit_code == 0
    out = tmp_path / "out"
    page = checked_page(out / "index.html")
    pictures = sorted(path.name for path in (out / "pictures").iterdir())
    assert len(pictures) == 2 * 3 and all(f"pictures/{name}" in page for name in pictures)
    assert f'<th scope="row">hold</th><td>{COUNT}</td><td>{COUNT} (100%)</td>' in page
    assert f"3 of {COUNT} images" in page


def test_several_actions_have_a_topic_each(tmp_path: Path, ground: Callable[..., Result]) -> None:
    outcome = ground(
        write_bag(tmp_path / "bag", camera(2)), "--no-heatmaps", "--namespace", "/mine/x", action="*"
    )
    assert outcome.exit_code == 0, outcome.output
    after = messages(tmp_path / "out" / "bag")
    for action in ("hold", "pour", "cut_with"):
        assert f"/mine/x/grasp_points/{action}" in after and f"/mine/x/heatmap/{action}" not in after
        picture = deserialize_message(after[f"/mine/x/overlay/{action}/compressed"][0][1], CompressedImage)
        assert bytes(picture.data[:2]) == b"\xff\xd8"
    assert len(rows(tmp_path / "out")) == 2 * 3


class Stopped(Exception):
    """In place of Ctrl-C."""


def stop(*given: Any) -> None:
    raise Stopped


@pytest.mark.usefixtures("in_processes")
def test_a_run_that_was_stopped_goes_on(
    tmp_path: Path, ground: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_bag(tmp_path / "bag", camera(COUNT))
    assert ground(bag, "--processes", "2", out="whole").exit_code == 0
    real = run._put_together
    monkeypatch.setattr(run, "_put_together", stop)
    assert isinstance(ground(bag).exception, Stopped)
    monkeypatch.setattr(run, "_put_together", real)
    (tmp_path / "out" / "parts" / "000001" / "rows.json").unlink()
    other = ground(bag, "--max-width", "0.05")
    assert other.exit_code == 1 and "the beginning of another run" in other.output
    outcome = ground(bag, "--json")
    assert json.loads(outcome.output[outcome.output.index("{") :])["done_before"] == 3, outcome.output
    assert (tmp_path / "out" / "results.csv").read_text() == (tmp_path / "whole" / "results.csv").read_text()
    mine, whole = messages(tmp_path / "out" / "bag"), messages(tmp_path / "whole" / "bag")
    assert mine.keys() == whole.keys()
    for one, other in zip(mine["/affordance/heatmap"], whole["/affordance/heatmap"], strict=True):
        assert one[0] == other[0]
        # Not the bytes: CDR does not say what is between aligned values.
        assert deserialize_message(one[1], Image) == deserialize_message(other[1], Image)
    assert not (tmp_path / "out" / "parts").exists()
    again = ground(bag)
    assert again.exit_code == 1 and "exists: delete it" in again.output


@pytest.mark.parametrize(("share", "precision"), [(0.5, "int8"), (1.1, "fp32")])
def test_all_processes_have_the_precision_that_was_chosen_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, precision: str
) -> None:
    """A run that goes on has it, too, where another would be chosen now and the first was not kept."""
    plans: list[plan.BagPlan] = []

    def stop(given: plan.BagPlan, *_: Any) -> None:
        plans.append(given)
        raise Stopped

    monkeypatch.setattr(run, "_ground_all", stop)
    bag, both = write_bag(tmp_path / "bag", camera(2)), with_int8(colour_bundle(tmp_path / "both"))
    options = ["--bundle", str(both), "--out", str(tmp_path / "out"), "--action", "hold"]
    for cache, measured in (("first", share), ("second", 1.6 - share)):
        times = CpuTimes({"fp32": 1.0, "int8": measured}, {"fp32": 1.0, "int8": measured}, 3)
        measured_by(monkeypatch, lambda *_, times=times: times)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        outcome = CliRunner().invoke(main, ["ground-bag", str(bag), *options])
        assert isinstance(outcome.exception, Stopped), outcome.output
    chosen = [(each.settings.backend, each.settings.precision) for each in plans]
    assert chosen == [("onnxruntime", precision)] * 2


def test_an_image_with_a_fault_is_a_line_of_the_table(tmp_path: Path, ground: Callable[..., Result]) -> None:
    frames = camera(3)
    frames[5][1].encoding = "carrier pigeon"
    outcome = ground(write_bag(tmp_path / "bag", frames))
    assert outcome.exit_code == 0 and "1 images could not be used: unknown image encoding" in outcome.output
    table = rows(tmp_path / "out")
    assert [row["confidence"] == "" for row in table] == [False, True, False]
    assert "carrier pigeon" in table[1]["note"]


def test_depth_that_is_late_or_missing_leaves_pixels(tmp_path: Path, ground: Callable[..., Result]) -> None:
    frames = [each for each in camera(3) if each[0] != "/camera/depth" or each[2] < 100_100_000_000]
    assert ground(write_bag(tmp_path / "bag", frames)).exit_code == 0
    table = rows(tmp_path / "out")
    assert [bool(row["z"]) for row in table] == [True, False, False] and all(row["u"] for row in table)
    assert "the nearest depth image is 100 ms away: raise --sync-tolerance" in table[1]["note"]


def test_a_calibration_that_was_sent_once_at_the_start_serves(
    tmp_path: Path, ground: Callable[..., Result]
) -> None:
    late = [each for each in camera(2, start=500.0) if not each[0].endswith("info")]
    assert ground(write_bag(tmp_path / "bag", [*camera(1)[:1], *late])).exit_code == 0
    assert all(row["z"] for row in rows(tmp_path / "out"))


def test_time_that_goes_back_and_gaps_change_nothing(tmp_path: Path, ground: Callable[..., Result]) -> None:
    frames = [*camera(2, start=300.0), *camera(2, start=100.0), *camera(1, start=900.0)]
    assert ground(write_bag(tmp_path / "bag", frames)).exit_code == 0
    assert len(rows(tmp_path / "out")) == 5 and all(row["z"] for row in rows(tmp_path / "out"))


def test_a_clock_that_was_set_back_between_two_files_loses_nothing(
    tmp_path: Path, ground: Callable[..., Result]
) -> None:
    parts = [write_bag(tmp_path / f"{start:.0f}", camera(3, start=start)) for start in (300.0, 100.0)]
    outcome = ground(joined(tmp_path / "bag", *parts))
    assert outcome.exit_code == 0, outcome.output
    assert sorted(int(row["received"]) // 10**9 for row in rows(tmp_path / "out")) == [100] * 3 + [300] * 3


def test_a_damaged_depth_image_or_calibration_is_passed_over(
    tmp_path: Path, ground: Callable[..., Result]
) -> None:
    bag = write_bag(tmp_path / "bag", camera(2), StoragePlugin.SQLITE3)
    with closing(sqlite3.connect(bag / "bag.db3")) as base:
        base.execute("UPDATE messages SET data = x'00010000' WHERE id IN (4, 5)")
        base.commit()
    outcome = ground(bag)
    assert outcome.exit_code == 0, outcome.output
    table = rows(tmp_path / "out")
    assert [bool(row["z"]) for row in table] == [True, False] and all(row["u"] for row in table)


def test_results_may_lie_in_the_bags_folder(
    tmp_path: Path, ground: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_bag(tmp_path / "bag", camera(3))
    with monkeypatch.context() as patch:
        patch.setattr(run, "_put_together", stop)
        assert isinstance(ground(bag, out="bag/mine").exception, Stopped)
    outcome = ground(bag, "--json", out="bag/mine")
    assert (
        outcome.exit_code == 0 and json.loads(outcome.output[outcome.output.index("{") :])["done_before"] == 3
    )


def test_only_the_nearest_depth_is_kept_where_images_are_rare(tmp_path: Path) -> None:
    depths = [each for each in camera(50) if each[0] == "/camera/depth"]
    with BagReader(write_bag(tmp_path / "bag", depths)) as reader:
        kept = nearest(reader.messages(reader.of("/camera/depth")), {101_000_000_000, 103_500_000_000})
    assert sorted(round(when / 1e8) for when, _, _ in kept.values()) == [1010, 1035]


@pytest.mark.usefixtures("in_processes")
def test_a_model_that_cannot_be_opened_is_told(tmp_path: Path, ground: Callable[..., Result]) -> None:
    outcome = ground(write_bag(tmp_path / "bag", camera(1)), "--precision", "int8")
    assert outcome.exit_code == 1 and "int8" in outcome.output, outcome.output
    assert "Traceback" not in outcome.output and "out of memory" not in outcome.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--namespace", "mine"], "--namespace 'mine' is none"),
        (
            ["--namespace", "/camera"],
            "the bag has '/camera/camera_info', '/camera/depth', '/camera/image' already",
        ),
        (["--action", "fly"], "unknown action 'fly'"),
        (["--image", "/nowhere"], "--image /nowhere is not in the bag"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, ground: Callable[..., Result], given: list[str], said: str
) -> None:
    outcome = ground(write_bag(tmp_path / "bag", camera(1)), *given)
    assert outcome.exit_code != 0 and said in outcome.output
    assert not (tmp_path / "out" / "bag").exists()
