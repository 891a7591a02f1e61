"""`cleanup` gives the model back: nothing holds it any longer."""

import gc
import weakref
from collections.abc import Iterator

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from selcon_ros.model import Model, load
from support.ros import calibration
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
ALL = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The garbage collector may come late: memory that waits for it is not given back."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_after_cleanup_model_and_session_are_gone(start):
    held: dict[str, weakref.ref] = {}

    def opened(*args, **options) -> Model:
        model = load(*args, **options)
        parts = {"model": model, "backend": model.backend, "session": model.backend._session}
        held.update({name: weakref.ref(each) for name, each in parts.items()})
        return model

    robot, _ = start(autostart=False, connect=False, load_model=opened, backend="onnxruntime", action="hold")
    client = robot.create_client(ChangeState, "grounding/change_state")
    robot.until(client.service_is_ready, "the lifecycle service")
    for transition in ALL:
        if transition == Transition.TRANSITION_DEACTIVATE:
            robot.answer_in_3d(scene(hold=PART), bar_depth(320, 240, PART), calibration())
            assert all(each() is not None for each in held.values())
        asked = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        robot.until(asked.done, "the transition")
        assert asked.result().success
    assert {name for name, each in held.items() if each() is not None} == set()
