"""selcon quantize on a network of matrix products: 7 bit weights, activations scaled as they come."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.cli.main import main
from selcon_ros.core.errors import BackendError, SelconError
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.pictures.picture_files import read_image, write_image
from selcon_training.evaluate.metrics import compare_maps, prepare_prediction
from selcon_training.export.bundle import export_bundle
from selcon_training.export.quantization import int8_graph, quantize
from support import nets
from support.bundles import colour_bundle
from support.disk import files_of_at_most
from support.engines import picture

OTHER = b"\x08\x0a"  # the least that is an ONNX file


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        write_image(folder / f"{number}.png", picture(number))
    (folder / "._0.png").write_bytes(b"of another system")
    return folder


@pytest.fixture(scope="module")
def quantized(vit, pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantized")
    given, out = load_bundle(vit), folder / "int8"
    write_bundle(folder / "more", given.manifest, given.files | {"open_text": OTHER})
    arguments = [str(folder / "more"), str(pictures), "--out", str(out), "--limit", "3", "--json"]
    result = CliRunner().invoke(main, ["quantize", *arguments, "--threads", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_weights_are_small_integers_and_convolutions_stay(vit, quantized):
    before, after = (load_bundle(path) for path in (vit, quantized[0]))
    graph = onnx.load_from_string(after.files["model.int8"]).graph
    kinds = [node.op_type for node in graph.node]
    # The layers of both blocks, of which attention is one operator, the keys and the heads' two.
    assert (kinds.count("QAttention"), kinds.count("MatMulInteger")) == (2, 9) and "Conv" in kinds
    weights = [onnx.numpy_helper.to_array(each) for each in graph.initializer if each.data_type == 3]  # INT8
    weights = [each for each in weights if each.ndim == 2]
    assert weights and all(np.abs(each.astype(int)).max() <= 64 for each in weights)  # 7 bits
    scales = [onnx.numpy_helper.to_array(each) for each in graph.initializer if each.name.endswith("_scale")]
    assert scales and all(each.size > 1 for each in scales)  # one for each output channel
    assert after.files["open_text"] == OTHER
    assert after.model == before.model and len(after.files["model.int8"]) < 0.7 * len(after.model)


def test_what_is_printed_is_what_the_two_graphs_give(quantized):
    out, record = quantized
    models = (load_bundle(out, roles=(role,)) for role in ("model", "model.int8"))
    exact, rounded = (open_on_cpu(model, CpuOptions(1)) for model in models)
    assert "int8" in rounded.name and "int8" not in exact.name
    assert "int8" in open_on_cpu(load_bundle(out), CpuOptions(1)).name
    frames = np.random.default_rng(0).integers(0, 256, (1, 120, 160, 3), np.uint8)
    cam, other = exact.run(frames)[0], rounded.run(frames)[0]
    assert 0 < np.linalg.norm(other - cam) < 0.1 * np.linalg.norm(cam)
    assert record["images"] == 3 and record["time_ratio"] > 0
    assert 0 < record["kld_mean"] < record["kld_p95"] < record["kld_max"] < 0.01
    assert record["grasped"] > 0 and record["shift_median"] <= record["shift_p95"]
    kept = load_bundle(out, roles=()).manifest.metrics["int8"]
    assert kept == {key: value for key, value in record.items() if key in kept} | {
        "method": "dynamic, 7 bit weights per channel",
        "tolerance": 0.01,
    }


def test_maps_of_either_sign_are_compared_as_evaluation_does(pictures, tmp_path):
    """A CAM that is no probability is negative in places."""
    net = nets.small_net(seed=2)
    export_bundle(net, tmp_path / "fp32", name="small", description="random", licence="Apache-2.0")
    _, found = quantize(tmp_path / "fp32", pictures, tmp_path / "int8", limit=2, tolerance=10.0, threads=1)
    exact, rounded = (
        Grounder(model, open_on_cpu(model, CpuOptions(1)))
        for model in (load_bundle(tmp_path / "int8", roles=(role,)) for role in ("model", "model.int8"))
    )
    klds = []
    for path in (pictures / "0.png", pictures / "3.png"):
        maps = [each.ground(read_image(path)).refined for each in (exact, rounded)]
        assert maps[0].min() < 0 < maps[0].max()
        truth, prediction = (prepare_prediction(each) for each in maps)
        klds += compare_maps(prediction, truth).kld.tolist()
    found = found.agreement
    assert found.kld_mean == pytest.approx(np.mean(klds)) and 0 < found.kld_mean < 1
    assert found.kld_max == pytest.approx(max(klds))


def test_maps_that_move_too_far_are_refused(vit, pictures, tmp_path):
    out = tmp_path / "int8"
    with pytest.raises(
        SelconError,
        match="^int8 is farther from fp32 than the tolerance 1e-09: .*int8 is not written: keep fp32",
    ):
        quantize(vit, pictures, out, limit=1, tolerance=1e-9, threads=1)
    assert not out.exists()


def test_a_full_folder_for_temporary_files_is_named(vit):
    with files_of_at_most(10_000), pytest.raises(BackendError, match="is there room in /"):
        int8_graph(load_bundle(vit).model)


def test_a_graph_without_matrix_products_is_refused(tmp_path):
    with pytest.raises(BackendError, match="no products with constant matrices"):
        int8_graph(load_bundle(colour_bundle(tmp_path / "colours")).model)
    with pytest.raises(BackendError, match="cannot be quantised"):
        int8_graph(b"no graph")


@pytest.mark.parametrize(
    ("bundle", "folder", "message"),
    [
        ("vit", "nowhere", "nowhere is not a folder"),
        ("vit", ".", "holds no pictures (.jpg, .jpeg, .png, "),
        ("nothing", None, "no model bundle at"),
    ],
)
def test_wrong_paths_are_told(vit, pictures, tmp_path, bundle, folder, message):
    source = pictures if folder is None else tmp_path / folder
    arguments = [str(vit.parent / bundle), str(source), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["quantize", *arguments])
    assert result.exit_code == 1 and message in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()
