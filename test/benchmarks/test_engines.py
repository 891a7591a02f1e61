"""The bench of engines: what runs here is measured, what does not is a row that says why."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks import ENGINES, engines
from benchmarks.accuracy import Accuracy, Judge
from benchmarks.engines import EnginesPlan, Measured, measure_engines
from benchmarks.engines_report import UNSTEADY_NOTE, engine_rows, notes, tables
from benchmarks.flops import count_flops
from benchmarks.subjects import Subject, subjects
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.bench.report import ReportRow, into_page, markdown
from selcon_ros.core.errors import BackendError, SelconError
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_ros.core.grounding.samples import sample_files
from selcon_ros.core.machine.timing import Times
from selcon_ros.core.outputs.heatmap_agreement import Agreement
from support.bundles import colour_bundle

ROOT = Path(__file__).parents[2]
FP32 = Subject("backend", "fp32", "cpu", "onnxruntime")
INT8 = Subject("backend", "int8", "cpu", "onnxruntime")
AUTHORS = Subject("authors", "fp32", "cpu")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The colour bundle with two painted samples."""
    path = colour_bundle(tmp_path / "colours", (64, 96))
    pictures = []
    for number, colour in enumerate([(0, 255, 0), (255, 0, 0)]):
        picture = np.full((120, 160, 3), 128, np.uint8)
        picture[40:80, 60:120] = colour
        pictures.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(pictures[-1]), picture)
    plain = load_bundle(path)
    write_bundle(path, plain.manifest, {**plain.files, **sample_files(pictures)})
    return path


def measured(subject: Subject, milliseconds: float, batch: int = 1, kld: float | None = None) -> Measured:
    accuracy = None
    if kld is not None:
        accuracy = Accuracy(Agreement(8, kld, kld, kld, ("hold", 0), 8, 0.0, 1.0, 0.0), 1e-3)
    times = Times(milliseconds, milliseconds, 6)
    return Measured("paper-size", subject, batch, times, 1 << 20, accuracy, engine="engine 1.0")


def test_measures_what_runs_and_writes_its_chapter(bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "speed.md"
    page.parent.mkdir()
    former = markdown([ReportRow("of a former run", 1.0, "ms")], {}, [], ENGINES)
    page.write_text(into_page("# Speed\n\nof the node\n", former))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "engines", "--bundle", str(bundle)),
            *("--no-paper-size", "--rounds", "1", "--runs", "2", "--threads", "1", "--json"),
            *("--out", str(page), "--cache", str(tmp_path / "cache")),
        ],
        env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout)
    found = {(each["subject"]["backend"], each["subject"]["precision"], each["batch"]): each
             for each in report["engines"]}  # fmt: skip
    for batch in (1, 4):
        each = found["onnxruntime", "fp32", batch]
        assert each["times"]["count"] == 2 and 0 < each["times"]["median"] <= each["times"]["p95"]
        assert each["rate"] == pytest.approx(1e3 * batch / each["times"]["median"])
        assert each["memory"] > 1 << 20  # the engine's library alone is larger
        assert each["accuracy"]["agreement"]["images"] == 2
        assert each["accuracy"]["agreement"]["kld_max"] < 1e-9
    assert "colours has no int8 model" in found["onnxruntime", "int8", 1]["reason"]
    assert {(each.backend, each.precision) for each in subjects(False, False)} == {key[:2] for key in found}
    if not has_gpu():
        assert found["tensorrt", "fp16", 1]["reason"] == "no NVIDIA GPU here"
        aim = report["rows"][0]
        assert (aim["value"], aim["at_most"], aim["detail"]) == (None, 1.2, "no NVIDIA GPU here")
    text = page.read_text()
    assert "of the node" in text and "of a former run" not in text and text.count("# Engines\n") == 1
    assert "| onnxruntime fp32 CPU | 4 |" in text
    assert report["machine"]["CPU"] in text
    assert str(bundle) not in text
    if find_spec("matplotlib"):
        assert cv2.imread(str(page.parent / "images" / "engines.png")) is not None
        assert "![Engines](images/engines.png)" in text


def test_aims_are_held_against_one_run() -> None:
    engine = Subject("backend", "fp16", "cuda", "tensorrt")
    theirs = Subject("authors", "fp32", "cuda")
    found = [
        *(measured(engine, 1.0), measured(engine, 7.0, batch=64), measured(theirs, 20.0)),
        *(measured(INT8, 20.0, kld=0.004), measured(FP32, 40.0, kld=0.0), measured(AUTHORS, 100.0)),
    ]
    told = {row.what: row for row in engine_rows(found, "NVIDIA H200")}
    assert told["NVIDIA H200, paper-size: fastest engine, one image"].met is True
    ratio = told["NVIDIA H200, paper-size: the authors' code against the fastest engine, one image"]
    assert (ratio.value, ratio.met) == (20.0, True)
    rate = told["NVIDIA H200, paper-size: images a second in batches"]
    assert rate.value == pytest.approx(64e3 / 7) and rate.met is True
    assert told["CPU, paper-size: int8 against the authors' code"].value == pytest.approx(0.2)
    assert told["CPU, paper-size: int8, KLD from fp32"].met is True
    assert told["CPU, paper-size: ONNX Runtime against PyTorch, fp32"].value is None


def test_on_another_gpu_the_aims_say_which_they_are_for() -> None:
    told = engine_rows([measured(Subject("backend", "fp16", "cuda", "tensorrt"), 9.0)], "RTX 3060")
    assert "RTX 3060, aims are for an H200" in told[0].what and told[0].value == 9.0


def test_a_disturbed_run_says_so() -> None:
    steady = measured(FP32, 10.0)
    disturbed = replace(steady, times=Times(10.0, 25.0, 6))
    assert UNSTEADY_NOTE not in notes([steady])
    assert UNSTEADY_NOTE in notes([steady, disturbed])


def test_the_table_says_whether_batches_pay() -> None:
    torch = Subject("torch", "fp32", "cpu")
    found = [
        *(measured(FP32, 10.0, kld=-1e-12), measured(FP32, 20.0, batch=4)),  # chance: it runs one by one
        *(measured(torch, 10.0), measured(torch, 20.0, batch=4)),
        Measured("paper-size", INT8, 1, reason="nothing to run"),
        Measured("paper-size", replace(INT8, precision="int4"), 1, reason="nothing to run"),
    ]
    (table,) = tables(found)
    assert table.below == (
        "Engines that batches make faster (at least 1.1 times the images a second): "
        "PyTorch network fp32 CPU (2.00 times the images a second).",
    )
    assert table.lines[0][7] == "0.00000"
    assert table.missing[0] == ("onnxruntime int8 CPU", "nothing to run")
    assert "Not measured (nothing to run): onnxruntime int8 CPU, onnxruntime int4 CPU." in table.sentences


def test_without_samples_times_are_told_and_no_accuracy(tmp_path: Path) -> None:
    path = colour_bundle(tmp_path / "colours", (64, 96))
    found = measure_engines([path], False, EnginesPlan(threads=1, rounds=1, runs=1, cache=tmp_path / "cache"))
    (one, four) = (each for each in found if each.subject == FP32)
    assert one.times and four.times and one.accuracy is None
    assert "no samples" in one.remark


def test_a_process_that_ends_is_a_row(bundle: Path, tmp_path: Path, monkeypatch) -> None:
    start = engines._start

    def killed(*arguments):
        worker = start(*arguments)
        if worker.task.subject == FP32:
            worker.process.kill()
            worker.log.write_text("out of memory\n")
        return worker

    monkeypatch.setattr(engines, "_start", killed)
    found = measure_engines(
        [bundle], False, EnginesPlan(threads=1, rounds=1, runs=1, cache=tmp_path / "cache")
    )
    assert [each.reason for each in found if each.subject == FP32] == ["out of memory"]


def test_other_maps_are_told_apart(bundle: Path) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'selcon_ros[train]'")
    judge = Judge(bundle)
    maps = judge._fp32
    same = judge.judge(maps)
    assert same.agreement.kld_mean < 1e-9
    other = judge.judge([(np.roll(cam, 2, axis=3), affinity) for cam, affinity in maps])
    assert other.agreement.kld_mean > 0.1 and other.agreement.shift_median > 10
    if find_spec("selcon_ros.backends.onnx_in_torch"):
        assert same.error is not None and same.error < 1e-5
        assert other.error is not None and other.error > 0.1


def graph(nodes: list[onnx.NodeProto], constants: dict[str, list[int]], out: list[int | str]) -> bytes:
    made = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["images", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, out)],
        [helper.make_tensor(name, TensorProto.FLOAT, shape, [0.0] * int(np.prod(shape)))
         for name, shape in constants.items()],
    )  # fmt: skip
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def test_operations_are_counted_by_hand() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["features"], strides=[4, 4]),
        helper.make_node("Flatten", ["features"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["hidden"], transB=1),
        helper.make_node("MatMul", ["hidden", "last"], ["out"]),
    ]
    content = graph(nodes, {"kernel": [5, 3, 4, 4], "weights": [7, 20], "last": [7, 2]}, ["images", 2])
    conv, gemm, product = (5 * 2 * 2) * (3 * 4 * 4), 7 * 20, 2 * 7
    assert count_flops(content) == 2 * (conv + gemm + product)


def test_shapes_that_depend_on_values_are_named() -> None:
    nodes = [
        helper.make_node("NonZero", ["image"], ["where"]),
        helper.make_node("Cast", ["where"], ["places"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["left", "places"], ["out"], name="product"),
    ]
    with pytest.raises(BackendError, match="MatMul product"):
        count_flops(graph(nodes, {"left": [2, 4]}, [2, "found"]))


def test_a_bad_bundle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SelconError, match="no model bundle"):
        measure_engines([tmp_path / "nowhere"], False, EnginesPlan(1, 1, 1))
