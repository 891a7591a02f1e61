"""selcon quantize on a network of convolutions: fixed scales from pictures, the whole chain in int8."""

import itertools
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from onnx import numpy_helper

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.cli.main import main
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_ros.core.pictures.picture_files import write_image
from selcon_training.encoders.backbone import load_backbone
from selcon_training.export.bundle import export_bundle
from selcon_training.export.quantization import int8_graph
from selcon_training.export.static_int8 import _first_layers
from selcon_training.models.pyramid import PyramidNet

NAME = "mobilenetv2_035"  # timm's smallest with ReLU6
SIZE = (64, 96)


def picture_folder(folder, low, high):
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(low, high, (60, 90, 3), np.uint8)
        write_image(folder / f"{number}.png", pixels)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return picture_folder(tmp_path_factory.mktemp("pictures") / "all", 0, 256)


@pytest.fixture(scope="module")
def bundle(pictures, tmp_path_factory):
    torch.manual_seed(0)
    net = PyramidNet(load_backbone({"name": NAME}), ["cut_with", "hold"], SIZE, 16)
    net.heads.classifier.weight.data *= 20  # maps with high and low places
    words = {"name": "it", "description": "", "licence": "", "calibration": "none"}
    export_bundle(net, tmp_path_factory.mktemp("fp32") / "b", **words, samples=pictures)
    return tmp_path_factory.getbasetemp() / "fp320" / "b"


def quantized(bundle, out, *more):
    given = [
        "quantize",
        str(bundle),
        "--out",
        str(out),
        "--threads",
        "1",
        "--tolerance",
        "1",
        *map(str, more),
    ]
    return CliRunner().invoke(main, given)


@pytest.fixture(scope="module")
def int8(bundle, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("int8") / "b"
    result = quantized(bundle, out, pictures, "--json")
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


FIRST = 19
"""Convolutions of NAME before stride 16."""
LAST = 6
"""Convolutions of the decoder behind its first resizing, the classifier included."""


def test_all_but_the_first_convolutions_and_the_decoders_sums_run_in_int8(bundle, int8, tmp_path):
    convolutions = [
        node for node in onnx.load_from_string(load_bundle(bundle).model).graph.node if node.op_type == "Conv"
    ]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "as_run.onnx")
    options.log_severity_level = 3
    content = load_bundle(int8[0]).files["model.int8"]
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "as_run.onnx").graph.node]
    assert kinds.count("QLinearConv") == len(convolutions) - FIRST - LAST
    assert sum(kind in ("Conv", "FusedConv") for kind in kinds) == FIRST + LAST
    assert not {"Clip", "Relu", "Pad", "Shape"} & {*kinds}
    # The features of strides 4 and 8, and what is made of the latter.
    assert kinds.count("QuantizeLinear") == 3


@pytest.mark.parametrize("rows", [240, 250])
def test_what_comes_before_stride_16_is_found_where_sides_are_rounded_up_too(rows):
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    kernel = numpy_helper.from_array(np.ones((3, 3, 3, 3), np.float32), "kernel")
    names = ["image", "half", "quarter", "eighth", "sixteenth", "cam"]
    nodes = [
        helper.make_node(
            "Conv", [before, "kernel"], [after], after, pads=[1] * 4, strides=[1 + (after != "cam")] * 2
        )
        for before, after in itertools.pairwise(names)
    ]
    ends = [
        helper.make_tensor_value_info(name, floats, size)
        for name, size in (("image", [1, 3, rows, 320]), ("cam", [1, 3, -(-rows // 16), 20]))
    ]
    model = helper.make_model(helper.make_graph(nodes, "chain", ends[:1], ends[1:], [kernel]))
    assert _first_layers(model) == {"half", "quarter", "eighth"}


def test_weights_take_7_bits_and_have_a_scale_per_channel(int8):
    graph = onnx.load_from_string(load_bundle(int8[0]).files["model.int8"]).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    names = [name for name, value in constants.items() if value.dtype == np.int8 and value.ndim == 4]
    assert len(names) > 30
    for name in names:
        assert np.abs(constants[name].astype(int)).max() <= 64
        assert constants[name.removesuffix("_quantized") + "_scale"].shape == constants[name].shape[:1]


def test_maps_are_near_those_of_fp32_and_the_record_says_how_they_were_made(int8, bundle, pictures):
    out, record = int8
    exact, rounded = (
        open_on_cpu(load_bundle(out, roles=(role,)), CpuOptions(1)) for role in ("model", "model.int8")
    )
    frames = np.random.default_rng(0).integers(0, 256, (2, 60, 90, 3), np.uint8)
    cam, other = exact.run(frames)[0], rounded.run(frames)[0]
    assert 0 < np.abs(other - cam).mean() < 0.05 * np.ptp(cam)
    metrics = load_bundle(out, roles=()).manifest.metrics["int8"]
    assert metrics["method"] == "static, 7 bit weights per channel"
    assert (metrics["images"], metrics["calibrated"]) == (3, 3)
    assert metrics["kld_mean"] == record["kld_mean"] > 0


def test_scales_are_those_of_the_pictures(bundle, tmp_path):
    """Samples with all values, and further pictures in which nothing is bright."""
    given = load_bundle(bundle)
    files = {role: each for role, each in given.files.items() if not role.startswith("sample")}
    write_bundle(tmp_path / "bare", given.manifest, files)
    dark = picture_folder(tmp_path / "dark", 0, 64)

    def scale(name, *more):
        source = tmp_path / "bare" if name == "of_dark" else bundle
        assert quantized(source, tmp_path / name, *more).exit_code == 0
        graph = onnx.load_from_string(load_bundle(tmp_path / name).files["model.int8"]).graph
        first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
        return next(numpy_helper.to_array(each) for each in graph.initializer if each.name == first.input[1])

    full = scale("of_all", "--calibrate", dark, dark)
    assert scale("of_dark", "--calibrate", dark, dark) < 0.5 * full


def test_what_the_scales_are_from_is_told(bundle, pictures, tmp_path):
    result = quantized(bundle, tmp_path / "a")
    assert result.exit_code == 0 and "scales from 3 pictures, the same ones" in result.output
    result = quantized(bundle, tmp_path / "b", "--calibrate", pictures)
    assert "scales from 6 pictures\n" in result.output


def test_no_pictures_for_the_scales_are_refused(bundle, pictures, tmp_path):
    given = load_bundle(bundle)
    write_bundle(tmp_path / "bare", given.manifest, {"model": given.model})
    result = quantized(tmp_path / "bare", tmp_path / "out", pictures)
    assert result.exit_code == 1 and "give --calibrate FOLDER" in result.output.replace("\n", " ")
    (tmp_path / "empty").mkdir()
    result = quantized(bundle, tmp_path / "out", pictures, "--calibrate", tmp_path / "empty")
    assert result.exit_code == 1 and "holds no pictures" in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inputs", [None, ()])
def test_without_pictures_it_says_what_to_give(bundle, inputs):
    with pytest.raises(BackendError, match="no sample pictures to take them from: give --calibrate FOLDER"):
        int8_graph(load_bundle(bundle).model, inputs)
