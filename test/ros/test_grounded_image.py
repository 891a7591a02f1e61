"""The slot between the stages: the newest frame alone, and no question lost with one that is replaced."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.ros.grounded_image import GroundedImage, GroundedImageSlot
from selcon_ros.ros.questions import Question


def grounded(arrived: float, *questions: Question, wanted: bool = True) -> GroundedImage:
    """A grounded image with what the slot looks at."""
    asked = {name: None for name in GroundedImage.__dataclass_fields__}
    demand = object() if wanted else None
    return GroundedImage(**{**asked, "arrived": arrived, "demand": demand, "questions": questions})


def question() -> Question:
    return Question(("hold",), False, 9.0, lambda _: None)


def opened() -> GroundedImageSlot:
    slot = GroundedImageSlot()
    slot.open()
    return slot


def test_an_image_takes_over_the_questions_of_the_one_that_it_replaces():
    slot, first, second = opened(), question(), question()
    slot.put(grounded(1.0, first))
    slot.put(grounded(2.0))
    slot.put(grounded(3.0, second))
    taken = slot.take()
    assert taken.arrived == 3.0 and taken.questions == (first, second) and slot.superseded == 2


def test_what_nobody_would_have_heard_and_the_same_image_again_are_not_superseded():
    slot = opened()
    slot.put(grounded(1.0, question(), wanted=False))
    slot.put(grounded(2.0))
    slot.put(grounded(2.0, question()))
    assert slot.superseded == 0 and len(slot.take().questions) == 2


def test_once_closed_nothing_is_taken_until_it_is_open_again():
    slot, taken = opened(), []
    waiting = threading.Thread(target=lambda: taken.append(slot.take()))
    waiting.start()
    slot.close()
    waiting.join(30)
    slot.put(grounded(1.0))
    assert taken == [None] and slot.take() is None
    slot.open()
    slot.put(grounded(2.0))
    assert slot.take().arrived == 2.0


@given(st.lists(st.sampled_from(["put", "ask", "take"]), max_size=40))
def test_whatever_comes_in_whatever_order(steps):
    slot, asked, answered, stamps = opened(), [], [], []
    arrived = waiting = taken = 0
    for step in steps:
        if step == "take" and waiting:
            got = slot.take()
            answered += got.questions
            stamps.append(got.arrived)
            waiting, taken = 0, taken + 1
        elif step != "take":
            arrived += 1
            asked += (new := [question()] if step == "ask" else [])
            slot.put(grounded(float(arrived), *new))
            waiting = 1
    if waiting:
        answered += slot.take().questions
        taken += 1
    assert answered == asked and stamps == sorted(set(stamps))
    assert taken + slot.superseded == arrived
