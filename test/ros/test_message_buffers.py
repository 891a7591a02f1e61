"""The newest-message slot and the search by stamp, without a node."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.message_buffers import LatestSlot, OutOfStep, StampedBuffer
from selcon_ros.ros.registered import check_same_view
from support.messages import header


def image(seconds: float) -> Image:
    return Image(header=header(seconds))


def stamp(message: Image) -> float:
    return message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec


def test_the_slot_gives_the_newest_and_counts_what_nobody_took():
    slot = LatestSlot()
    for seconds in (1, 2, 3):
        slot.put(image(seconds))
    assert stamp(slot.take().message) == 3
    slot.put(image(4))
    assert stamp(slot.take().message) == 4
    assert (slot.received, slot.dropped) == (4, 2)


def test_the_slot_gives_a_message_once_unless_asked_again():
    slot = LatestSlot()
    slot.ask_again()  # nothing there: no effect
    slot.put(image(1))
    first = slot.take()
    slot.ask_again()
    assert slot.take() is first
    slot.ask_again()
    slot.put(image(2))
    assert slot.dropped == 0  # the first had been taken


def test_the_slot_wakes_a_waiting_reader_and_lets_it_go_at_the_end():
    slot, taken = LatestSlot(), []

    def read() -> None:
        while (received := slot.take()) is not None:
            taken.append(stamp(received.message))

    reader = threading.Thread(target=read)
    reader.start()
    slot.put(image(1))
    while not taken:
        time.sleep(0.001)
    slot.close()
    reader.join(5)
    assert not reader.is_alive() and taken == [1]


def test_age_grows():
    slot = LatestSlot()
    slot.put(image(1))
    received = slot.take()
    time.sleep(0.01)
    assert received.age >= 0.01


def buffer(*stamps: float, length: int = 5) -> StampedBuffer[Image]:
    kept = StampedBuffer("depth image", length)
    for seconds in stamps:
        kept.put(image(seconds))
    return kept


@given(
    stamps=st.lists(st.integers(0, 50), min_size=1, max_size=12),
    wanted=st.integers(0, 50),
    tolerance=st.integers(0, 9),
)
def test_match_is_the_nearest_of_the_last_few(stamps, wanted, tolerance):
    kept = buffer(*stamps, length=4)
    # A stamp that comes again counts as new.
    last = [each for at, each in enumerate(stamps) if each not in stamps[at + 1 :]][-4:]
    difference = min(abs(each - wanted) for each in last)
    assert abs(stamp(kept.nearest(header(wanted))) - wanted) == difference
    if difference <= tolerance:
        assert abs(stamp(kept.match(header(wanted), tolerance, 0.0)) - wanted) == difference
    else:
        with pytest.raises(MessageError, match=f"no depth image within {tolerance * 1000} ms of the image"):
            kept.match(header(wanted), tolerance, 0.0)


def test_what_is_missing_is_named():
    assert buffer().match(header(1), 0.02, 0.0) is None
    with pytest.raises(MessageError, match="nearest stamp is 100 ms later"):
        buffer(1.1).match(header(1), 0.02, 0.0)
    with pytest.raises(MessageError, match="nearest stamp is 500 ms earlier"):
        buffer(0.5).match(header(1), 0.02, 0.0)


def test_match_waits_for_what_is_on_its_way():
    kept = buffer(0.9)
    late = threading.Timer(0.05, lambda: kept.put(image(1.0)))
    late.start()
    assert stamp(kept.match(header(1.0), 0.02, 10.0)) == 1.0


def test_match_waits_although_a_later_one_was_there_before():
    kept = buffer(9.0)  # a recording begins again
    late = threading.Timer(0.05, lambda: kept.put(image(1.0)))
    late.start()
    assert stamp(kept.match(header(1.0), 0.02, 10.0)) == 1.0


def test_match_waits_no_longer_when_a_later_one_has_come():
    kept, raised = buffer(0.9), []

    def matching() -> None:
        with pytest.raises(OutOfStep, match="nearest stamp is 30 ms later"):
            kept.match(header(1.0), 0.02, 3600.0)
        raised.append(True)

    waiting = threading.Thread(target=matching, daemon=True)
    waiting.start()
    kept.put(image(0.96))
    waiting.join(0.1)
    assert waiting.is_alive()
    kept.put(image(1.03))
    waiting.join(10.0)
    assert raised


def test_microseconds_count_at_todays_stamps():
    kept = buffer(1764000000.125, 1764000000.25)
    assert stamp(kept.match(header(1764000000.25), 1e-5, 0.0)) == pytest.approx(1764000000.25, abs=1e-6)


def test_another_frame_or_size_is_refused():
    check_same_view(header(), (640, 480), header(), (640, 480), "depth image")
    with pytest.raises(
        MessageError, match="depth image is in frame 'depth', the image in 'colour': use depth that is reg"
    ):
        check_same_view(header(frame="colour"), (640, 480), header(frame="depth"), (640, 480), "depth image")
    with pytest.raises(MessageError, match="the camera_info is 320 x 240, the image 640 x 480"):
        check_same_view(header(), (640, 480), header(), (320, 240), "camera_info")
