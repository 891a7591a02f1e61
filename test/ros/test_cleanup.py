"""`cleanup` gives the model back: nothing holds it any longer."""

import gc
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState

from selcon_ros.model import Model, load
from selcon_ros.ros import worker
from support.lifecycle import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE
from support.ros import TIMEOUT, calibration
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
ALL = (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP)


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

    robot, _ = start(autostart=False, connect=False, open_model=opened, backend="onnxruntime", action="hold")
    client = robot.create_client(ChangeState, "grounding/change_state")
    robot.until(client.service_is_ready, "the lifecycle service")
    for transition in ALL:
        if transition == DEACTIVATE:
            robot.answer_in_3d(scene(hold=PART), bar_depth(320, 240, PART), calibration())
            assert all(each() is not None for each in held.values())
        asked = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        robot.until(asked.done, "the transition")
        assert asked.result().success
    assert {name for name, each in held.items() if each() is not None} == set()


def test_a_call_of_the_engine_that_does_not_end_keeps_only_itself(managed, monkeypatch):
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 0.2)
    calls, go = threading.Event(), threading.Event()

    def opened(*args, **options) -> Model:
        model = load(*args, **options)
        run = model.backend.run

        def slow(*inputs):
            calls.set()
            assert go.wait(TIMEOUT)
            return run(*inputs)

        monkeypatch.setattr(model.backend, "run", slow)
        return model

    robot, _, manager = managed(open_model=opened, outputs=("heatmap",), action="hold")
    assert manager(CONFIGURE) and manager(ACTIVATE)
    robot.until(calls.is_set, "a call", every=lambda: robot.show(scene(hold=PART)))
    assert manager(DEACTIVATE)
    assert not manager(CLEANUP) and manager.now == State.PRIMARY_STATE_UNCONFIGURED
    robot.told("cleanup: the engine is still in a call")
    assert robot.facts()["state"].startswith("unconfigured") and robot.facts()["model"] == "none"
    assert not manager(CONFIGURE)
    go.set()
    robot.until(lambda: manager(CONFIGURE), "configure")


def test_another_model_begins_the_steady_grasps_anew(managed):
    robot, _, manager = managed(action="hold", steady_frames=10)
    image, info = scene(hold=PART), calibration()
    places = []
    for nearer in (0, 10):  # mm: near enough to be the same point, and averaged
        assert manager(CONFIGURE) and manager(ACTIVATE)
        depth = bar_depth(320, 240, PART) - np.uint16(nearer)
        found = robot.answer("grasp_points", image, depth, info, fits=lambda message: message.poses)
        places.append(found.poses[0].position.z)
        assert manager(DEACTIVATE) and manager(CLEANUP)
    assert places[0] - places[1] == pytest.approx(0.01, abs=1e-3)
