"""Training on padded pictures: what it shows, measures and exports is what the robot sees."""

import json

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.onnxruntime_graph import CPU_PROVIDER, OnnxRuntimeGraph
from selcon_ros.backends.torch import TorchBackend
from selcon_ros.core.grounding.bundle import Normalisation, load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.placement import Canvas
from selcon_ros.core.grounding.preprocess import fitted
from selcon_ros.core.pictures.picture_files import write_image
from selcon_ros.engines.bundle_graph import read_graph
from selcon_ros.engines.preprocess_graph import with_frames
from selcon_training.config import ConfigError, parse_config
from selcon_training.data.dense import Augmentation, DenseImages, DenseItem
from selcon_training.data.device import to_input
from selcon_training.data.images import read_picture
from selcon_training.data.listing import Item
from selcon_training.data.transforms import draw_crop
from selcon_training.errors import CheckpointError, DataError
from selcon_training.export.bundle import export_bundle, export_checkpoint
from selcon_training.models.checkpoint import save_model
from selcon_training.reporting.evaluation import run as evaluate
from selcon_training.reporting.trace import TraceSample, trace
from selcon_training.reporting.trained_run import open_trained
from selcon_training.training.trainer import Trainer
from selcon_training.training.validation import LabelValidator
from support.dataset import config_values, make_dataset
from support.nets import register_small_clip, small_net

SIZE, GRID = (96, 128), (6, 8)
PADDED = Canvas(SIZE, GRID, "pad")
SHAPES = [(96, 128), (200, 90), (30, 300), (300, 30), (1, 1), (1, 90)]


def dense_images(folder, zoom=(1.0, 1.0), flip=False):
    """Pictures of every shape that show their truth map, a blurred square, in grey."""
    items = []
    for number, shape in enumerate(SHAPES):
        truth = np.zeros(shape, np.uint8)
        if shape != (1, 1):  # a map that is not 0 everywhere, nor the same, has two pixels
            truth[shape[0] // 4 : shape[0] // 2 + 1, shape[1] // 4 : shape[1] // 2 + 1] = 255
        truth = cv2.GaussianBlur(truth, (0, 0), 3.0)
        picture, map_file = folder / f"{number}.png", folder / f"truth{number}.png"
        write_image(picture, np.repeat(truth[:, :, None], 3, axis=2))
        cv2.imwrite(str(map_file), truth)
        items.append(DenseItem(str(number), picture, {0: (map_file,)}, None))
    return DenseImages(items, 1, SIZE, GRID, Augmentation(zoom, "pad", flip))


@given(
    image=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    zoom=st.floats(1.0, 3.0),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_a_padded_crop_is_what_fits_of_the_enlarged_picture(image, zoom, seed):
    crop = draw_crop(image, SIZE, (zoom, zoom), "pad", True, np.random.default_rng(seed))
    assert crop.top >= 0 and crop.left >= 0
    assert crop.top + crop.height <= 1 + 1e-9 and crop.left + crop.width <= 1 + 1e-9
    scale = zoom * min(SIZE[0] / image[0], SIZE[1] / image[1])
    for share, side, limit in ((crop.height, image[0], SIZE[0]), (crop.width, image[1], SIZE[1])):
        assert share == pytest.approx(min(1.0, limit / (scale * side)))


def test_plain_pictures_are_those_of_the_robot_and_truth_lies_where_they_do(tmp_path):
    images = dense_images(tmp_path)
    batch = images.plain(range(len(SHAPES)))
    for row, shape in enumerate(SHAPES):
        picture = read_picture(images.items[row].path)
        np.testing.assert_array_equal(batch.images[row], fitted(picture, PADDED))
        cells = PADDED.place(shape).cells
        assert bool(batch.truth[row, 0][cells.slices].any()) is (shape != (1, 1))
        batch.truth[row, 0][cells.slices] = 0
        assert not batch.truth[row].any()


def test_cached_padded_pictures_keep_their_shape(tmp_path):
    fresh, cached = dense_images(tmp_path), dense_images(tmp_path)
    cached.cache()
    one, other = fresh.plain(range(len(SHAPES))), cached.plain(range(len(SHAPES)))
    assert np.abs(one.images.astype(int) - other.images).mean() < 1
    assert np.abs(one.truth - other.truth).max() < 0.15


@pytest.mark.parametrize("seed", range(4))
def test_truth_follows_padded_pictures_through_crop_and_flip(tmp_path, seed):
    images = dense_images(tmp_path, (1.0, 1.6), flip=True)
    batch = images.batch(range(3), seed, 0, 0)
    step = SIZE[0] // GRID[0]
    for image, truth in zip(batch.images, batch.truth, strict=True):
        levels = image[:, :, 0].astype(np.float32) / 255
        cells = levels.reshape(GRID[0], step, GRID[1], step).mean(axis=(1, 3))
        assert np.abs(cells - truth[0]).max() < 0.12


def test_cells_of_part_of_a_pixel_are_refused():
    with pytest.raises(DataError, match=r"\[96, 128\] to be a multiple of the map grid \[18, 24\]"):
        DenseImages([], 1, SIZE, (18, 24), Augmentation(fit="pad"))


@pytest.mark.parametrize("supervision", ["weak", "mixed"])
def test_the_papers_losses_know_no_padding(tmp_path, supervision):
    values = config_values(tmp_path, tmp_path / "run") | {"supervision": supervision}
    values["data"]["fit"] = "pad"
    with pytest.raises(ConfigError, match=f"data.fit = 'pad' with supervision: {supervision}"):
        parse_config(values)


@pytest.fixture(scope="module")
def padded_run(tmp_path_factory):
    """A short run on pictures of 96 x 128 for an input that is higher than wide."""
    folder = tmp_path_factory.mktemp("padded")
    register_small_clip(folder)
    torch.set_num_threads(1)
    data = make_dataset(folder / "data", train=6, val=3, test=2, negatives=3)
    values = config_values(data, folder / "run")
    values["data"] |= {"fit": "pad", "input_size": [128, 96]}
    trainer = Trainer(parse_config(values))
    assert trainer.run()
    export_checkpoint(folder / "run" / "checkpoint", folder / "bundle")
    return trainer, folder, data


def test_training_measures_what_the_bundle_is_worth(padded_run, tmp_path):
    trainer, folder, data = padded_run
    overall = evaluate(folder / "bundle", data, "Seen", "valset", tmp_path)["overall"]
    for name in ("kld", "sim", "nss", "right_part"):
        assert trainer.metrics[name] == pytest.approx(overall[name], rel=1e-3), name


def test_evidence_is_the_robots(padded_run):
    trainer, folder, _ = padded_run
    bundle = load_bundle(folder / "bundle")
    grounder = Grounder(bundle, open_on_cpu(bundle))
    found = trainer.validator.evidence(trainer.net)
    item, fit = trainer.validator.items[0], bundle.manifest.confidence
    grounding = grounder.ground(read_picture(item.path))
    assert grounding.cam.shape[1:] == (5, 6)  # of 8 x 6: 72 pixels are 4.5 cells
    wanted = fit.confidences(found.values[0])
    for place, action in enumerate(grounder.actions):
        assert grounding.confidence(action) == pytest.approx(wanted[place], abs=1e-4)


def test_pictures_of_the_log_have_no_padding(padded_run):
    trainer, _, _ = padded_run
    for _, image, refined, truth in trainer.validator.overlays(trainer.net, 2):
        assert image.shape == (80, 96, 3) and image.min() > 0  # the scenes have no black
        assert refined.shape == (5, 6) and truth.shape == (80, 96)


def test_the_object_mask_is_averaged_over_the_models_own_cells(padded_run, tmp_path):
    _, folder, data = padded_run
    overall = evaluate(folder / "bundle", data, "Seen", "testset", tmp_path, "mask")["overall"]
    assert overall["queries"] == 4 and overall["kld"] < 3


def test_old_programs_refuse_what_was_trained_so(padded_run, tmp_path):
    _, folder, _ = padded_run
    for file in ("run/checkpoint/model.json", "bundle/manifest.json"):
        assert json.loads((folder / file).read_text())["format_version"] == 2
    assert load_bundle(folder / "bundle").manifest.fit == "pad"
    save_model(tmp_path, open_trained(folder / "run").net, {"fit": "stretch"})
    described = json.loads((tmp_path / "model.json").read_text())
    assert described["format_version"] == 1
    (tmp_path / "model.json").write_text(json.dumps(described | {"format_version": 4}))
    with pytest.raises(CheckpointError, match="format_version is 4, this code reads 1 to 3"):
        open_trained(tmp_path)


def test_export_at_another_size_pads_to_that(padded_run, tmp_path):
    _, folder, _ = padded_run
    manifest = export_checkpoint(folder / "run" / "checkpoint", tmp_path / "wide", input_size=(64, 160))
    assert (manifest.fit, manifest.input_size, manifest.map_grid) == ("pad", (64, 160), (4, 10))
    bundle = load_bundle(tmp_path / "wide")
    grounder = Grounder(bundle, open_on_cpu(bundle))
    assert grounder.ground(np.full((96, 128, 3), 128, np.uint8)).cam.shape[1:] == (4, 5)


def test_explained_maps_are_those_of_the_bundle(padded_run):
    trainer, folder, _ = padded_run
    trained = open_trained(folder / "run")
    bundle = load_bundle(folder / "bundle")
    path = trainer.validator.items[0].path
    sample = TraceSample("hold", path)
    ego = trace(trained.net, sample, trained.weak, trained.calibration, trained.gamma, trained.fit).ego
    grounding = Grounder(bundle, open_on_cpu(bundle)).ground(read_picture(path))
    assert trained.fit == "pad"
    np.testing.assert_allclose(ego.heatmap, grounding.refined[1], atol=1e-4)
    assert ego.affinity.shape == ego.saliency.shape == ego.saliency_mask.shape == ego.cam.shape == (5, 6)


def test_a_backbone_with_its_own_normalisation_pads_alike_in_every_backend(padded_run, tmp_path):
    _, _, data = padded_run
    values = config_values(data, tmp_path / "run", calibration="none")
    del values["encoders"]
    values["data"] |= {"fit": "pad", "input_size": [128, 96]}
    values["backbone"] = {"name": "tf_efficientnet_lite0", "width": 16}
    values["schedule"]["epochs"] = 1
    trainer = Trainer(parse_config(values))
    assert trainer.run()
    # A backbone's own: black is another value then.
    trainer.net.normalisation = Normalisation((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    words = {"name": "it", "description": "", "licence": "", "fit": "pad", "calibration": "none"}
    export_bundle(trainer.net, tmp_path / "bundle", **words)
    bundle = load_bundle(tmp_path / "bundle")
    # Its convolutions pad by themselves, and what fits is not cut: there are layers for neither.
    layers = read_graph(bundle.model, "it").graph.node
    assert not {node.op_type for node in layers} & {"Pad", "Ceil", "Slice", "Shape"}
    pads = [each.ints for node in layers for each in node.attribute if each.name == "pads"]
    assert [0, 0, 1, 1] in pads
    exact = open_on_cpu(bundle)
    graph = with_frames(read_graph(bundle.model, "it"), bundle.manifest).SerializeToString()
    others = [OnnxRuntimeGraph(bundle.manifest, graph, CPU_PROVIDER, "it")]
    others += [TorchBackend(model, "it", bundle.manifest, "cpu") for model in (bundle.model, graph)]
    for shape in SHAPES:
        frames = np.random.default_rng(0).integers(0, 256, (1, *shape, 3), np.uint8)
        canvas = Canvas((128, 96), (32, 24), "pad")
        padded = fitted(frames[0], canvas)[None]
        seen = to_input(padded, torch.device("cpu"), normalisation=trainer.net.normalisation)
        with torch.no_grad():
            wanted = trainer.net(seen)[0].numpy()
        for backend in (exact, *others):
            np.testing.assert_allclose(backend.run(frames)[0], wanted, atol=2e-3)


def test_classes_are_held_against_the_pictures_own_cells(tmp_path):
    net = small_net((64, 96))
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)
    write_image(tmp_path / "a.png", image)
    canvas = Canvas(net.input_size, net.map_grid, "pad")
    items = [Item("hold", "it", "a", tmp_path / "a.png")]
    found = LabelValidator(items, net.actions, canvas, 1, None).run(net)
    with torch.no_grad():
        cam = net(to_input(fitted(image, canvas)[None], torch.device("cpu")))[0][0]
    rows, columns = canvas.place((90, 60)).cells.slices
    wanted = -cam[:, rows, columns].mean(dim=(1, 2)).log_softmax(0)[net.actions.index("hold")]
    assert found["cross_entropy"] == pytest.approx(float(wanted), rel=1e-4)
