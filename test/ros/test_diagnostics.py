"""What is logged and published about problems: once, until it is over, and bounded, whatever comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rcl_interfaces.msg import Log
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.actions import match_action
from selcon_ros.core.text import MAX_LINE_LENGTH, quoted
from selcon_ros.ros import diagnostics
from selcon_ros.ros.conversions import image_from_message
from selcon_ros.ros.depth import depth_from_message
from selcon_ros.ros.diagnostics import MAX_MESSAGE_LENGTH, AnswerTimes, Health, status
from selcon_ros.ros.registered import check_same_view
from support.messages import Lines
from support.ros import RELIABLE

ANY = st.text(st.characters(exclude_categories=()), max_size=200)


@given(st.lists(st.tuples(ANY, st.integers(1, 30)), min_size=1, max_size=8))
def test_any_text_stays_one_line_of_a_sane_length(parts):
    lines = Lines()
    health = Health(lines)
    for number, (text, times) in enumerate(parts):
        health.problem(f"source {number}", text * times)
    made = status("node", parts[0][0], health, {"state": parts[0][0] * 20, "action": parts[0][0]})
    assert len(lines.said) == len(parts)
    assert all(len(each) <= MAX_LINE_LENGTH + 20 and each.isprintable() for each in lines.said)
    assert (
        len(made.message) <= MAX_MESSAGE_LENGTH
        and made.message.isprintable()
        and made.hardware_id.isprintable()
    )
    assert all(len(each.value) <= MAX_LINE_LENGTH and each.value.isprintable() for each in made.values)


def test_a_source_is_logged_once_in_a_while_and_the_newest_problem_is_kept():
    lines = Lines()
    health = Health(lines)
    for number in range(1000):
        health.problem("image", f"bad {number}")
    health.solved("image")  # what was said is no more what is wrong, so nothing is taken back
    health.problem("image", "bad 1000")
    assert lines.said == ["image: bad 0"]
    assert health.problems == {"image": "bad 1000"}


def test_a_problem_that_was_said_is_taken_back_once_and_one_that_flickers_is_quiet(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(diagnostics.time, "monotonic", lambda: now[0])
    log = Lines()
    health = Health(log)
    for _ in range(100):  # bad for a second, well for a second
        health.problem("camera", "no image for 2 s", every=30.0)
        now[0] += 1.0
        health.solved("camera")
        health.settle()
        now[0] += 1.0
    assert not health.problems
    assert set(log.said) == {"camera: no image for 2 s"} and len(log.said) <= 8
    for _ in range(10):
        health.solved("camera")
        health.settle()
        now[0] += 1.0
    assert log.said[-1] == "camera: works again" and log.said.count("camera: works again") == 1
    health.problem("camera", "no image for 3 s", every=30.0)  # and it is said at once when it comes again
    assert log.said[-1] == "camera: no image for 3 s"


def test_another_reason_does_not_wait_for_the_same_one(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(diagnostics.time, "monotonic", lambda: now[0])
    log = Lines()
    health = Health(log)
    for text in (
        "no image for 2 s; nobody publishes",
        "no image for 8.5 s; nobody publishes",
        "no image; QoS",
    ):
        health.problem("camera", text, every=30.0)
        now[0] += 6.0
    assert log.said == ["camera: no image for 2 s; nobody publishes", "camera: no image; QoS"]


@pytest.mark.parametrize(
    ("answers", "at", "rate"),
    [
        ((), 0.0, "0.0"),
        ((0.0,), 0.0, "0.0"),
        ((0.0, 0.01), 0.02, "1.0"),  # two answers in a row are not 100 Hz
        ((0.0, 0.01), 4.0, "0.2"),
        ([each / 20 for each in range(101)], 5.0, "20.0"),
        ((0.0, 0.1), 6.0, "0.0"),
    ],
)
def test_the_rate_is_that_of_the_last_seconds(monkeypatch, answers, at, rate):
    now = [0.0]
    monkeypatch.setattr(diagnostics.time, "monotonic", lambda: now[0])
    health = Health(Lines())
    for now[0] in answers:
        health.record(AnswerTimes(waiting=0.0, inference=0.01, overhead=0.0, grasping=0.0))
    now[0] = at
    assert health.values()["rate_hz"] == rate


def test_a_flood_of_actions_is_a_few_lines_of_the_log(start):
    robot, _ = start(outputs=("markers",), action="hold")
    heard: list[str] = []
    robot.create_subscription(Log, "/rosout", lambda said: heard.append(said.msg), RELIABLE)
    for number in range(200):
        robot.say(f"fly {number}\n[FATAL] [0.0] [arm]: forged \x1b[31m" + "x" * 5000)
        robot.say("pour" if number % 2 else "hold")
        robot.spin(0.005)
    robot.say("fly")
    robot.told("unknown action 'fly'")
    robot.until(lambda: any("unknown action" in each for each in heard), "the log")
    robot.spin(0.3)
    assert len(heard) < 50  # a problem each five seconds, a new action each second
    assert all(len(each) <= MAX_LINE_LENGTH + 20 and each.isprintable() for each in heard)


FORGED = {"lines": "rgb8\n[FATAL] forged", "escape": "\x1b[2J", "long": "x" * 100_000}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_text_of_messages_is_quoted_and_cut_where_a_problem_names_it(text):
    header, other = Header(frame_id=text), Header(frame_id="camera")
    problems = [
        lambda: image_from_message(Image(width=4, height=2, step=12, encoding=text)),
        lambda: depth_from_message(Image(width=4, height=2, step=12, encoding=text)),
        lambda: depth_from_message(CompressedImage(format=text)),
        lambda: check_same_view(header, (4, 2), other, (4, 2), "depth image"),
        lambda: match_action(text, ["hold"]),
    ]
    for problem in problems:
        with pytest.raises(SelconError) as raised:
            problem()
        said = str(raised.value)
        assert said.isprintable() and len(said) < 600
        assert quoted(text) in said
