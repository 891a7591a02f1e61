"""selcon explain: what it draws is what training computes, for any pictures."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.placement import Canvas
from selcon_ros.core.pictures.picture_files import read_image
from selcon_training.config.weak_objective import WeakObjectiveConfig
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.device import to_input
from selcon_training.encoders import load_clip, load_dino
from selcon_training.errors import DataError
from selcon_training.losses.pixel import positive_set
from selcon_training.losses.weak import WeakStep, weak_losses
from selcon_training.models.checkpoint import save_model
from selcon_training.models.map_ops import cosine_of
from selcon_training.models.selcon_net import SelconNet
from selcon_training.reporting.discovery import GAP, PICTURE_WIDTH, TITLE_HEIGHT, sheet
from selcon_training.reporting.samples import data_samples, spread_samples
from selcon_training.reporting.trace import TraceSample, trace
from selcon_training.reporting.trained_run import open_trained, read_history
from selcon_training.training.validation import pictures
from support.bundles import colour_bundle
from support.dataset import COLOURS, config_values
from support.nets import register_small_clip
from support.pages import checked_page
from support.squares import squares_of

SIZE = (96, 128)
CANVAS = Canvas(SIZE, (6, 8))


squares = squares_of(train=3, test=1, val=1, negatives=1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    clip = load_clip({"name": register_small_clip(folder)}, SIZE)
    net = SelconNet(clip, load_dino({"name": "test_vit"}, SIZE), list(COLOURS)).eval()
    meta = {"calibration": "binarized", "gamma": 0.5, "training": {"supervision": "weak"}}
    save_model(folder / "checkpoint", net, meta)
    save_model(folder / "dense", net, meta | {"training": {"supervision": "dense"}})
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def sample(squares):
    return data_samples(
        open_dataset(squares, "Seen"), "trainset", ["hold/cut_grip/trainset_001"], list(COLOURS)
    )[0]


def test_a_trace_is_what_training_computes(checkpoint, sample):
    trained = open_trained(checkpoint)
    net, weak = trained.net, WeakObjectiveConfig(gamma=0.4)
    found = trace(net, sample, weak, "continuous", 0.6).exo
    label = torch.tensor([net.actions.index("hold")])
    with torch.no_grad():
        ego = net.features(to_input(pictures([sample.ego], CANVAS).images, label.device), saliency=True)
        exo = net.features(to_input(pictures(sample.exo, CANVAS).images, label.device))
        for alpha, reliable in ((found.score - 1e-4, 1), (found.score + 1e-4, 0)):
            draws = torch.Generator().manual_seed(0)
            step = WeakStep(ego, exo, label, generator=draws)
            losses = weak_losses(net, step, weak.model_copy(update={"alpha": alpha}))
            assert losses["reliable"] == reliable
            again = trace(net, sample, weak.model_copy(update={"alpha": alpha}), "continuous", 0.6).exo
            assert again.reliable == reliable
            assert np.allclose(again.ego_map, again.candidates[again.winner]) == reliable
        ego_affinity = cosine_of(ego.patches, net.text_action[label])
        exo_affinity = cosine_of(exo.patches, net.text_action[label.expand(2)])[None]
    assert np.array_equal(found.positive.ravel(), positive_set(ego_affinity, exo_affinity, 0.4)[0].numpy())
    assert found.part_level == bool((ego_affinity > found.rho).any())
    assert found.score == pytest.approx(max(found.scores)) and found.selected.sum() >= 3


def test_the_heatmap_is_that_of_inference(checkpoint, sample):
    trained = open_trained(checkpoint)
    ego = trace(trained.net, sample, trained.weak, trained.calibration, trained.gamma).ego
    with torch.no_grad():
        cam, affinity = trained.net(to_input(pictures([sample.ego], CANVAS).images, torch.device("cpu")))
    scaled = affinity[0, 1] - affinity[0, 1].min()
    wanted = cam[0, 1] * (scaled / scaled.max() > 0.5)  # binarized at 0.5, as the checkpoint says
    assert np.allclose(ego.heatmap, wanted.numpy(), atol=1e-6)
    assert np.allclose(ego.cam, cam[0, 1].numpy())


def test_a_sheet_has_a_row_per_picture_and_the_verdict_in_colour(checkpoint, sample):
    trained = open_trained(checkpoint)
    colours = {}
    for alpha in (0.0, 1.0):
        weak = trained.weak.model_copy(update={"alpha": alpha, "gamma": 0.3})
        picture = sheet(trace(trained.net, sample, weak, "continuous", 0.6))
        height = round(PICTURE_WIDTH * SIZE[0] / SIZE[1])
        assert picture.shape == (
            TITLE_HEIGHT + GAP + (2 + len(sample.exo)) * (height + TITLE_HEIGHT + GAP),
            GAP + 6 * (PICTURE_WIDTH + GAP),
            3,
        )
        assert (picture[:TITLE_HEIGHT] < 100).any(), "no title"
        last = picture[-height - GAP :].astype(int)
        colours[alpha] = (last[..., 1] - last[..., 0] > 100).sum(), (last[..., 0] - last[..., 1] > 150).sum()
    assert colours[0.0][0] > colours[1.0][0] and colours[1.0][1] > colours[0.0][1]
    alone = sheet(trace(trained.net, TraceSample("hold", sample.ego), trained.weak, "continuous", 0.6))
    assert alone.shape[:2] == (2 * (TITLE_HEIGHT + GAP) + height, GAP + 5 * (PICTURE_WIDTH + GAP))


def test_the_command_draws_named_pictures(checkpoint, squares, tmp_path):
    base = squares / "Seen/trainset"
    ego = base / "egocentric/hold/cut_grip/trainset_001.jpg"
    exo = shutil.copytree(base / "exocentric/hold/cut_grip", tmp_path / "exo")
    (exo / "._trainset_000.jpg").write_bytes(b"of another system")
    runner = CliRunner()
    arguments = ["explain", str(checkpoint), str(ego), "--action", "Hold"]
    done = runner.invoke(main, [*arguments, "--exo", str(exo), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    (figures,) = json.loads(done.stdout)
    assert len(figures["exocentric"]) == 2 and len(figures["piou"]) == 3 and figures["action"] == "hold"
    assert figures["positive_set"] in ("part", "object") and figures["positive_pixels"] > 0
    picture = read_image(tmp_path / "out/01_hold_trainset_001.png")
    assert picture.shape[0] > 4 * 180
    page = checked_page(tmp_path / "out/index.html")
    assert page.count("data:image/jpeg;base64,") == 1 and "paper's constants" in page.replace("&#39;", "'")
    alone = runner.invoke(main, [*arguments, "--out", str(tmp_path / "one.html")])
    assert alone.exit_code == 0 and "pIoU" not in alone.output and (tmp_path / "one.html").is_file()
    assert not list(tmp_path.glob("*.png"))
    by_name = runner.invoke(
        main,
        [
            "explain",
            str(checkpoint.parent),
            "--data",
            str(squares),
            "--divide",
            "Seen",
            "--sample",
            "pour/grip_spout/trainset_002",
            "--out",
            str(tmp_path / "two.html"),
        ],
    )
    assert by_name.exit_code == 0 and "pIoU" in by_name.output


def test_what_cannot_be_explained_is_told(checkpoint, squares, tmp_path):
    bundle = colour_bundle(tmp_path / "bundle")
    ego = str(squares / "Seen/trainset/egocentric/hold/cut_grip/trainset_001.jpg")
    (tmp_path / "empty").mkdir()
    cv2.imwrite(str(tmp_path / "exo.png"), np.zeros((20, 30, 3), np.uint8))
    data = ["--data", str(squares), "--divide", "Seen"]
    wrong = {
        "is a model bundle, which has no exocentric branch": [bundle, ego, "--action", "hold"],
        "no checkpoint in": [tmp_path / "empty", ego, "--action", "hold"],
        "unknown action 'fold'": [checkpoint, ego, "--action", "fold"],
        "holds no image": [checkpoint, ego, "--action", "hold", "--exo", tmp_path / "empty"],
        "cannot read": [checkpoint, ego, "--action", "hold", "--exo", tmp_path / "none.jpg"],
        "has learned nothing": [
            checkpoint.parent / "dense",
            ego,
            "--action",
            "hold",
            "--exo",
            tmp_path / "exo.png",
        ],
        "has no picture 'hold/x/y'": [checkpoint, *data, "--sample", "hold/x/y"],
        "give IMAGES and --action": [checkpoint, ego],
        "--data goes with --sample": [checkpoint, ego, *data, "--action", "hold"],
    }
    for message, arguments in wrong.items():
        done = CliRunner().invoke(main, ["explain", *map(str, arguments), "--out", str(tmp_path / "out")])
        assert done.exit_code != 0 and message in done.output, done.output
    assert not (tmp_path / "out").exists()


def test_raw_weights_are_explained_by_their_runs_constants(checkpoint, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(checkpoint, run / "checkpoint/raw")
    values = config_values(tmp_path, run, weak={"gamma": 0.37})
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    assert open_trained(run / "checkpoint/raw").weak.gamma == 0.37
    assert open_trained(checkpoint).config is None


def test_samples_are_spread_over_the_actions(squares):
    samples = spread_samples(open_dataset(squares, "Seen"), "trainset", 3, list(COLOURS))
    assert [one.action for one in samples] == list(COLOURS)
    for one in samples:
        assert len(one.exo) == 2 and all(path.parent.name == one.ego.parent.name for path in one.exo)


def test_the_history_of_a_run_counts_an_epoch_once(tmp_path):
    lines = [{"epoch": 1, "train": {"loss": 3.0}}, {"epoch": 2, "train": {"loss": 9.0}}]
    lines.append({"epoch": 2, "train": {"loss": 2.0}, "validation": {"kld": 1.0}})
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [one["train"]["loss"] for one in read_history(tmp_path)] == [3.0, 2.0]
    path.write_text('{"epoch": 1, "train": {"loss": 1}}\n{"epoch": 2}\n')
    with pytest.raises(DataError, match="line 2: not the record of an epoch"):
        read_history(tmp_path)
    with pytest.raises(DataError, match="--run takes the folder"):
        read_history(tmp_path / "none")
