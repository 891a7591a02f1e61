"""The node while its engine is opened or built, and when that fails."""

import threading
from importlib.util import find_spec

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.parameter import Parameter

from selcon_ros.backends.cuda import has_gpu
from selcon_ros.backends.options import CpuOptions, GpuOptions
from selcon_ros.core.errors import BackendError, ParameterError
from selcon_ros.model import load
from selcon_ros.ros.grounding_node import GroundingNode
from selcon_ros.ros.model_loader import ModelLoader
from selcon_ros.ros.parameters import Settings
from support.bundles import colour_bundle, with_int8
from support.ros import DOMAIN, context, running_node
from support.scenes import scene

PART = (40, 100, 60, 200)


class Builder:
    """Opens models as the node does, after a build that takes as long as the test wants."""

    def __init__(self):
        self.go = threading.Event()
        self.ended = self.closed = False
        self.threads = []

    def __call__(self, path, backend, precision, cpu, gpu, warm_up, fall_back):
        self.threads.append(threading.current_thread())
        try:
            share = 0.0
            while not self.go.wait(0.05):
                gpu.progress("timing kernels", share := min(share + 0.01, 0.42))
        finally:
            self.ended = True
        model = load(path, backend, precision, cpu, gpu, warm_up, fall_back)
        model.backend = Closing(model.backend, self)
        return model


class Closing:
    def __init__(self, backend, builder):
        self.backend, self.builder, self.name = backend, builder, backend.name

    def run(self, frames):
        self.builder.threads.append(threading.current_thread())
        return self.backend.run(frames)

    def close(self):
        self.builder.threads.append(threading.current_thread())
        self.builder.closed = True
        self.backend.close()


def test_while_an_engine_is_built_the_node_says_so_and_then_answers(start):
    builder = Builder()
    robot, _ = start(outputs=("heatmap",), open_model=builder, action="hold")
    robot.until(lambda: robot.facts().get("state") == "building the engine: timing kernels, 42 %", "building")
    assert robot.facts()["engine"] == robot.facts()["engine_choice"] == "none yet"
    assert not robot.heard["heatmap"]
    builder.go.set()
    robot.answer("heatmap", scene(hold=PART))
    robot.until(lambda: robot.facts()["state"] == "answering hold", "answering")


@pytest.mark.parametrize(("before", "said"), [(False, "; measured now; kept in "), (True, "; measured 20")])
def test_the_node_says_what_was_measured(start, tmp_path, capfd, before, said):
    """In /diagnostics, and in the log when the model is open."""
    measured, cache = with_int8(colour_bundle(tmp_path / "int8")), tmp_path / "engines"
    if before:
        load(measured, cpu=CpuOptions(threads=1), gpu=GpuOptions(cache=cache))
    robot, _ = start(outputs=("heatmap",), bundle=measured, engine_cache=str(cache), action="hold")
    robot.until(lambda: "ms against" in robot.facts().get("engine_choice", ""), "the choice")
    chosen = robot.facts()["engine_choice"]
    assert said in chosen and f"kept in {cache}" in chosen
    assert f": backend {chosen}\n" in capfd.readouterr().err


def test_one_thread_opens_runs_and_closes_the_engine(tmp_path):
    """A GPU's context belongs to a thread."""
    builder = Builder()
    builder.go.set()
    with context() as made, running_node(made, colour_bundle(tmp_path / "b"), open_model=builder):
        pass
    assert builder.closed and len(set(builder.threads)) == 1
    assert builder.threads[0] is not threading.current_thread()


def test_closing_ends_a_build(tmp_path):
    builder = Builder()
    with context() as made, running_node(made, colour_bundle(tmp_path / "b"), open_model=builder):
        assert not builder.ended
    assert builder.ended and not builder.closed


def test_closing_ends_a_trial_of_engines_on_the_cpu(bundle):
    def opener(path, backend, precision, cpu, gpu, warm_up, fall_back):
        cpu.check()
        loader.close()
        cpu.check()
        pytest.fail("the trial went on")

    loader = ModelLoader(Settings(bundle=str(bundle)), get_logger("test"), opener)
    assert loader.open() is None
    loader.check()


def test_what_fails_while_the_node_is_up_ends_it(tmp_path):
    """The executor's thread raises it, as it does what fails at once."""
    built = threading.Event()

    def failing(path, backend, precision, cpu, gpu, warm_up, fall_back):
        gpu.progress("timing kernels", 0.1)
        built.wait(30)
        raise BackendError("no room for the engine")

    made = Context()
    rclpy.init(context=made, domain_id=DOMAIN)
    try:
        node = GroundingNode(
            failing, context=made, parameter_overrides=[Parameter("diagnostics_period", value=0.05)]
        )
        node.wait_for_model()
        executor = SingleThreadedExecutor(context=made)
        executor.add_node(node)
        executor.spin_once(0.2)  # nothing has failed yet
        built.set()
        with pytest.raises(BackendError, match="no room for the engine"):
            for _ in range(100):
                executor.spin_once(0.2)
        node.close()
    finally:
        made.try_shutdown()


def test_the_folder_of_engines_may_be_below_the_home_folder(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    caches = []

    def opener(path, backend, precision, cpu, gpu, warm_up, fall_back):
        caches.append(gpu.cache)
        raise BackendError("that is all")

    def model(folder):
        settings = Settings(bundle=str(bundle), engine_cache=folder)
        return ModelLoader(settings, get_logger("test"), opener)

    for folder in ("~/engines", ""):
        assert model(folder).open() is None
    assert caches == [tmp_path / "engines", None]
    with pytest.raises(ParameterError, match="no home folder for ~no-such-user"):
        model("~no-such-user/engines")


def test_a_worker_that_fails_ends_the_node(bundle, monkeypatch):
    def broken():
        raise RuntimeError("a broken bridge")

    monkeypatch.setattr("selcon_ros.ros.image_reader.find_bridge", broken)
    with context() as made:
        given = [Parameter("diagnostics_period", value=0.05), Parameter("bundle", value=str(bundle))]
        node = GroundingNode(context=made, parameter_overrides=given)
        executor = SingleThreadedExecutor(context=made)
        executor.add_node(node)
        with pytest.raises(RuntimeError, match="a broken bridge"):
            for _ in range(100):
                executor.spin_once(0.2)
        assert node.close()
        node.destroy_node()


def test_a_model_that_saw_no_photograph_is_warned_of_as_long_as_it_runs(start, tmp_path):
    rendered = colour_bundle(tmp_path / "rendered", training={"synthetic": True, "data": "cubes"})
    robot, _ = start(outputs=("heatmap",), action="hold", bundle=rendered)
    robot.answer("heatmap", scene(hold=PART))
    said = robot.told("; answering hold, ")
    assert said.startswith("model data: trained on rendered scenes alone (cubes): ") and said.endswith(" Hz")
    assert robot.heard["diagnostics"][-1].status[0].level == DiagnosticStatus.WARN
    assert robot.facts()["state"] == "answering hold"


@pytest.mark.skipif(has_gpu(), reason="there is a GPU here: shown only on machines without one")
def test_a_backend_that_does_not_run_gives_way_with_a_lasting_warning(start):
    robot, _ = start(outputs=("heatmap",), action="hold", backend="tensorrt_rtx")
    robot.answer("heatmap", scene(hold=PART))
    installed = find_spec("tensorrt_rtx") is not None
    why = "no NVIDIA driver here" if installed else "TensorRT for RTX is not usable"
    robot.told(f"backend: tensorrt_rtx: {why}")
    assert robot.heard["diagnostics"][-1].status[0].level == DiagnosticStatus.WARN
    assert robot.facts()["engine"].startswith("ONNX Runtime")
