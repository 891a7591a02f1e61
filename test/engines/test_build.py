"""Engines are built ahead for GPUs that are not here; what only a GPU shows is in test_gpu.py."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.backends.tensorrt_library import LIBRARIES, LibraryErrors
from selcon_ros.core.errors import BackendError, Cancelled
from selcon_ros.core.grounding.bundle import default_bundle_path, load_with_samples
from selcon_ros.core.grounding.preprocess import COLUMNS, FRAMES, ROWS
from selcon_ros.engines.build import Shapes, _profile, build_engine
from selcon_ros.engines.cache import Cache
from selcon_ros.engines.compatibility import incompatibility
from selcon_ros.engines.prepared_graph import Preparation, Prepared
from selcon_ros.engines.repository import CAMERA_SIZE, EngineSpec, build, find
from support.engines import SIZE, bundle_of, colours, layer_types

trt = pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX: pip install tensorrt-rtx-cu13")
RTX = LIBRARIES["tensorrt_rtx"]
TARGETS = ("8.6", "12.0")
AHEAD = EngineSpec(RTX, compute=TARGETS)
SHAPES = Shapes(SIZE, (1, 1, 4), CAMERA_SIZE)


def silent(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return bundle_of(colours(), tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def prepared(tiny: Any) -> Prepared:
    return Preparation(tiny).result


@pytest.fixture(scope="module")
def packaged() -> Prepared:
    return Preparation(load_with_samples(default_bundle_path())).result


def test_the_packaged_model_is_built_for_two_gpus(packaged: Prepared) -> None:
    told: list[tuple[str, float]] = []
    size = load_with_samples(default_bundle_path()).manifest.input_size
    shapes = Shapes(size, (1, 1, 4), CAMERA_SIZE)
    built = build_engine(RTX, packaged.model, shapes, TARGETS, lambda *each: told.append(each))
    assert len(built.engine) > 1_000_000
    assert set(built.layers) == {"half", "float"} and built.layers["half"] > built.layers["float"]
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == 1 and len(set(shares)) > 5
    assert len({phase for phase, _ in told}) > 3


def test_products_are_in_half_precision_and_what_is_sensitive_is_not(vit: Path) -> None:
    bundle = load_with_samples(vit)
    types = layer_types(Preparation(bundle).result.model, bundle.manifest)
    assert types["MATRIX_MULTIPLY"] | types["CONVOLUTION"] == {"HALF"}
    assert types["SOFTMAX"] == types["NORMALIZATION"] == {"FLOAT"}


@given(
    camera=st.tuples(st.integers(64, 3000), st.integers(96, 3000)),
    batch=st.lists(st.integers(1, 16), min_size=3, max_size=3).map(sorted),
)
@settings(max_examples=20, deadline=None)
def test_the_profile_takes_all_images_up_to_the_camera_s(camera: Any, batch: Any) -> None:
    profile = _profile(trt.Builder(LibraryErrors(RTX).logger), Shapes(SIZE, tuple(batch), camera))
    least, best, most = ([*shape] for shape in profile.get_shape(FRAMES))
    assert [least[0], best[0], most[0]] == batch
    assert least[1:] == [1, 1, 3] and most[1:] == [*camera, 3]
    assert all(low <= usual <= high for low, usual, high in zip(least, best, most, strict=True))
    for name, side, axis in ((ROWS, SIZE[0], 1), (COLUMNS, SIZE[1], 2)):
        shapes = [[*shape] for shape in profile.get_shape(name)]
        assert shapes == [[side, each[axis]] for each in (least, best, most)]


def test_what_is_built_is_kept_found_and_not_built_again(tiny: Any, tmp_path: Path) -> None:
    cache, told, said = Cache(tmp_path), [], []
    entry = build(tiny, AHEAD, cache, lambda *each: told.append(each), said.append)
    assert "fp16 in ONNX Runtime, from fp32: heatmaps: KLD 0.0" in said[0]
    assert entry.record.key.compute == ("12.0", "8.6") and entry.record.bytes == len(entry.content())
    assert entry.record.agreement is None and entry.record.seconds > 0
    told.clear()
    assert build(tiny, AHEAD, cache, lambda *each: told.append(each), said.append) == find(tiny, AHEAD, cache)
    assert told == []
    # One engine serves each of its GPUs, any batch and any camera, unless it is asked for otherwise.
    for spec, there in (
        (EngineSpec(RTX, compute=("8.6",)), True), (EngineSpec(RTX, compute=("8.9",)), False),
        (EngineSpec(RTX, batch=(1, 1, 4), compute=TARGETS), True),
        (EngineSpec(RTX, batch=(1, 1, 8), compute=TARGETS), False),
        (EngineSpec(RTX, camera=CAMERA_SIZE, compute=TARGETS), True),
        (EngineSpec(RTX, camera=(9, 9), compute=TARGETS), False),
        (EngineSpec(RTX, "fp32", compute=TARGETS), False),
    ):  # fmt: skip
        assert (find(tiny, spec, cache) is not None) is there, spec
    reason = incompatibility(entry.record.key)
    assert reason is None or "driver" in reason or "pycuda" in reason or "is for GPUs of" in reason


def test_an_engine_that_is_damaged_is_built_again(tiny: Any, tmp_path: Path) -> None:
    cache, said = Cache(tmp_path), []
    entry = build(tiny, AHEAD, cache, silent, silent)
    entry.path.write_bytes(b"cut")
    assert build(tiny, AHEAD, cache, silent, said.append).content() != b"cut"
    assert "was changed or cut short" in said[0]


def test_a_camera_smaller_than_the_network_s_input_still_takes_it(tiny: Any, tmp_path: Path) -> None:
    entry = build(tiny, EngineSpec(RTX, compute=TARGETS, camera=(10, 200)), Cache(tmp_path), silent, silent)
    assert entry.record.key.camera == (64, 200)


def test_an_engine_in_single_precision(tiny: Any, tmp_path: Path) -> None:
    entry = build(tiny, EngineSpec(RTX, "fp32", compute=TARGETS), Cache(tmp_path), silent, silent)
    assert set(entry.record.layers) == {"float"}


def test_batches_of_a_graph_that_takes_one_image_are_refused(tmp_path: Path) -> None:
    old = bundle_of(colours(1), tmp_path / "old")
    cache = Cache(tmp_path / "engines")
    with pytest.raises(BackendError, match="takes one image at a time: build with --batch 1:1:1"):
        build(old, EngineSpec(RTX, compute=TARGETS, batch=(1, 1, 2)), cache, silent, silent)
    assert build(old, AHEAD, cache, silent, silent).record.key.batch == (1, 1, 1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (EngineSpec(RTX, compute=("9.9",)), "cannot build ahead for GPUs of 9.9: it can for 8.0, 8.6, 8.9"),
        (EngineSpec(LIBRARIES["tensorrt"], compute=("8.6",)), "it builds on the GPU that runs the engine"),
    ],
)
def test_gpus_that_cannot_be_built_for(tiny: Any, tmp_path: Path, spec: EngineSpec, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        build(tiny, spec, Cache(tmp_path), silent, silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batch", [(0, 1, 1), (1, 3, 2), (2, 1, 4)])
def test_wrong_batches(batch: Any) -> None:
    with pytest.raises(BackendError, match=f"batch is {':'.join(map(str, batch))}: give least:best:most"):
        EngineSpec(RTX, batch=batch)


def test_an_operator_that_the_library_does_not_know_is_named(prepared: Prepared) -> None:
    model = onnx.load_from_string(prepared.model)
    node = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    node.op_type, node.domain, node.name = "Strange", "nobody", "odd_one"
    model.opset_import.append(onnx.helper.make_opsetid("nobody", 1))
    message = r"does not take this graph: operator Strange \(node odd_one\)"
    with pytest.raises(BackendError, match=message) as told:
        build_engine(RTX, model.SerializeToString(), SHAPES, TARGETS, silent)
    assert "\n" not in str(told.value)


def test_garbage_is_no_graph() -> None:
    with pytest.raises(BackendError, match="TensorRT for RTX .* (does not take|cannot)"):
        build_engine(RTX, b"\x00garbage", SHAPES, TARGETS, silent)


def test_a_graph_above_the_tolerance_is_not_built(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="Layers to blame: .*Use fp32"):
        build(tiny, AHEAD, Cache(tmp_path), silent, silent, tolerance=1e-12)
    assert Cache(tmp_path).entries() == []


@pytest.mark.parametrize("reason", [Cancelled, KeyboardInterrupt])
@pytest.mark.parametrize("phase", ["comparing the converted graph with fp32", "Building engine"])
def test_an_interruption_ends_the_build(
    tiny: Any, tmp_path: Path, phase: str, reason: type[BaseException]
) -> None:
    def interrupt(name: str, share: float) -> None:
        if name == phase:
            raise reason

    cache = Cache(tmp_path)
    with pytest.raises(reason):
        build(tiny, AHEAD, cache, interrupt, silent)
    assert cache.entries() == [] == cache.damaged() and not cache.building()


def test_ctrl_c_ends_the_build_also_while_the_library_computes(packaged: Prepared) -> None:
    """The signal's exception would come up in a call from the library, which swallows it."""
    size = load_with_samples(default_bundle_path()).manifest.input_size
    pressed: list[threading.Timer] = []

    def press(name: str, share: float) -> None:
        if not pressed:
            pressed.append(threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)))
            pressed[0].start()

    with pytest.raises(KeyboardInterrupt):
        build_engine(RTX, packaged.model, Shapes(size, (1, 1, 4), CAMERA_SIZE), TARGETS, press)
        pressed[0].join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_library_that_is_not_installed_says_what_to_install() -> None:
    try:
        LIBRARIES["tensorrt"].load()
    except BackendError as error:
        assert "pip install 'selcon_ros[trt]'" in str(error)
