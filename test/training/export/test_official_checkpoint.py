"""The authors' checkpoint, imported: their numbers from torch and from ONNX Runtime.

A checkpoint with the key names and shapes of the released files and pseudo-random values is generated once.
"""

import functools
import importlib.util
import json
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.heatmap import minmax, refine
from selcon_ros.core.grounding.preprocess import preprocess
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.pictures.picture_files import read_image, write_image
from selcon_training.distill.answers import Store, TeacherAnswer
from selcon_training.distill.pipeline import Places, distill
from selcon_training.distill.plan import DistillPlan
from selcon_training.encoders import load_encoders
from selcon_training.errors import CheckpointError
from selcon_training.export.bundle import export_bundle
from selcon_training.export.official_checkpoint import CLIP_NAME, DINO_NAME, import_official
from support.parity import FOLDER, numbers, relative

TOLERANCE = 1e-4


def generator():
    """Return test/data/parity/official_checkpoint.py as a module."""
    spec = importlib.util.spec_from_file_location("official_checkpoint", FOLDER / "official_checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The command's result on that checkpoint: the network it built, the bundle it wrote, and what both
    give.
    """
    folder = tmp_path_factory.mktemp("official")
    state = {
        key: torch.from_numpy(np.array(value)) for key, value in generator().state_dict("Seen", 0).items()
    }
    # As people save it: from a compiled network in parallel training, with a score of numpy's.
    wrapped = {f"module._orig_mod.{key}": value for key, value in state.items()}
    torch.save({"state_dict": wrapped, "best": np.float64(1.5)}, folder / "seen.pth")
    built = []

    def import_and_keep(*arguments):
        built.append(import_official(*arguments))
        return built[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("selcon_training.export.official_checkpoint.import_official", import_and_keep)
        # The bundle also gives the encoders' outputs, so that one export serves every comparison.
        with_encoders = functools.partial(export_bundle, intermediates=True)
        patch.setattr("selcon_training.export.official_checkpoint.export_bundle", with_encoders)
        # Below, torch and ONNX Runtime are each compared with the authors' numbers, by the same bound.
        patch.setattr("selcon_training.export.onnx_trace._compare", lambda *_: None)
        write_image(folder / "photos" / "one.png", np.zeros((30, 40, 3), np.uint8))
        arguments = ["--divide", "Seen", "--out", str(folder / "bundle"), "--json"]
        arguments += ["--samples", str(folder / "photos")]
        result = CliRunner().invoke(main, ["import-official", str(folder / "seen.pth"), *arguments])
    both = [{"name": name, "weights": str(folder / "seen.pth")} for name in (CLIP_NAME, DINO_NAME)]
    encoders = load_encoders(*both, (224, 224))
    (folder / "seen.pth").unlink()
    assert result.exit_code == 0, result.output
    net, bundle = built[0], load_bundle(folder / "bundle")

    data = numbers("inference_seen")
    draw = np.random.default_rng(data["input_seed"].tolist())
    images = torch.from_numpy(draw.standard_normal((3, 3, 224, 224), dtype=np.float32))
    with torch.no_grad():
        keys, attention = net.dino(images, attention=True)
        torch_outputs = dict(zip(("cam", "affinity"), net(images), strict=True))
        torch_outputs |= {"keys": keys, "patches": net.clip(images), "attention": attention}
    return SimpleNamespace(
        state=state,
        net=net,
        data=data,
        bundle=bundle,
        printed=result.stdout,
        digests=[encoder.spec.sha256 for encoder in encoders],
        outputs={"torch": torch_outputs, "onnxruntime": run_onnx(bundle.model, images)},
    )


def run_onnx(model, images):
    """Return every output of an ONNX graph for all images at once, by name."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {"image": images.numpy()})
    return {name: torch.from_numpy(values) for name, values in zip(names, found, strict=True)}


def test_text_features_are_the_authors(official):
    from selcon_training.encoders.clip import action_prompt, person_prompt

    data, net = official.data, official.net
    assert [action_prompt(a) for a in net.actions] == data["prompts"]
    assert [person_prompt(a) for a in net.actions] == data["exo_prompts"]
    assert relative(net.text_action, F.normalize(data["text_features"], dim=1)) < TOLERANCE
    assert relative(net.text_person, F.normalize(data["exo_text_features"], dim=1)) < TOLERANCE


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_every_stage_gives_the_authors_numbers(official, engine):
    data, outputs = official.data, official.outputs[engine]
    cam, affinity = outputs["cam"], outputs["affinity"]
    wanted = F.normalize(data["clip_patch_features_image0"], dim=1)
    assert relative(outputs["patches"][0].flatten(1).T, wanted) < TOLERANCE
    assert relative(outputs["keys"][0].flatten(1).T, data["dino_keys_image0"][1:]) < TOLERANCE
    assert relative(outputs["attention"].flatten(2), data["dino_cls_attention"]) < TOLERANCE
    assert relative(affinity.flatten(2), data["clip_similarity_all"]) < TOLERANCE
    assert relative(cam, data["cam_all"]) < TOLERANCE
    row = torch.arange(3)
    assert relative(cam[row, data["labels"]], data["cam"]) < TOLERANCE
    refined = torch.from_numpy(refine(cam.numpy(), affinity.numpy(), "continuous", 0.6))
    assert relative(refined[row, data["labels"]], data["heatmap_refined"]) < TOLERANCE


def test_the_command_writes_a_bundle_that_says_what_it_is(official):
    manifest = official.bundle.manifest
    assert json.loads(official.printed)["actions"] == official.net.actions == list(manifest.actions)
    assert manifest.input_size == (224, 224) and manifest.map_grid == (14, 14)
    assert manifest.calibration == "continuous" and manifest.confidence is None
    assert manifest.training["data"] == "AGD20K Seen"
    assert {encoder.name for encoder in manifest.encoders.values()} == {CLIP_NAME, DINO_NAME}
    assert {len(encoder.sha256) for encoder in manifest.encoders.values()} == {64}
    assert [image.shape for image in read_samples(official.bundle)] == [(30, 40, 3)]


def test_it_teaches_a_student(official, tmp_path):
    """Its calibrated maps are what a student learns. Of sixteen pictures, the fewest that teach, fifteen were
    answered before: it takes long for each.
    """
    manifest, draw = official.bundle.manifest, np.random.default_rng(0)
    places = Places(tmp_path / "fast", tmp_path / "report", tmp_path / "work")
    store = Store(places.work / "teacher" / sha256(manifest.to_json().encode()).hexdigest()[:16], 36)
    confidence = np.full(36, 1 / 36, np.float32)
    earlier = TeacherAnswer(official.outputs["onnxruntime"]["cam"][0].numpy(), confidence)
    keys = []
    for number in range(16):
        picture = tmp_path / "photos" / f"{number}.png"
        write_image(picture, draw.integers(0, 256, (48, 64, 3)).astype(np.uint8))
        keys.append(sha256(picture.read_bytes()).hexdigest())
        if number < 15:
            store.put(keys[-1], earlier)
    plan = DistillPlan("test_efficientnet", size=(32, 64), threads=1, overrides=["schedule.batch_size=4"])
    assert distill(official.bundle.path, tmp_path / "photos", places, plan, max_steps=1) is None
    assert (places.work / "checkpoint" / "trainer.pt").is_file()
    with torch.no_grad():
        maps = official.net(torch.from_numpy(preprocess(read_image(picture), manifest)))
    cam, affinity = (each[0].numpy() for each in maps)
    taught, wanted = store.get(keys[-1]), minmax(refine(cam, affinity, "continuous", 0.6))
    assert np.abs(taught.maps - wanted).max() < 2e-3


def test_training_can_take_both_encoders_out_of_the_checkpoint(official):
    assert official.digests == [official.net.clip.spec.sha256, official.net.dino.spec.sha256]


def test_keys_that_do_not_fit_are_listed(official, tmp_path):
    state = {key: value for key, value in official.state.items() if key.startswith(("vit_model.", "aff_"))}
    state["surplus.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError) as caught:
        import_official(tmp_path / "odd.pth", "HICO")
    message = str(caught.value)
    assert "missing: net." in message and "more missing" in message and len(message.splitlines()) <= 15
    assert "for HICO (it has 36 actions, as --divide Seen)" in message
    assert "extra: surplus.weight [1]" in message
    assert "misshapen: aff_classifier.weight is [36, 384, 1, 1], needed [10, 384, 1, 1]" in message


@pytest.mark.parametrize("divide", ["Unseen", "HICO"])
def test_the_other_divides_have_the_released_keys(divide, monkeypatch, tmp_path):
    """Only the class count differs: the released key list is what the importer asks for."""
    shapes = json.loads((FOLDER / f"official_keys_{divide.lower()}.json").read_text())
    asked = {}

    def record(wanted, given):
        asked.update(wanted)
        return "stop here"

    monkeypatch.setattr("selcon_training.export.official_checkpoint.mismatch", record)
    torch.save({"x": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="stop here"):
        import_official(tmp_path / "x.pth", divide)
    assert asked == {key: tuple(shape) for key, (shape, _) in shapes.items()}


@pytest.mark.parametrize("content", [None, b"not a checkpoint"])
def test_unreadable_checkpoints_are_named(tmp_path, content):
    path = tmp_path / "gone.pth"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(
        main, ["import-official", str(path), "--divide", "Seen", "--out", str(tmp_path / "b")]
    )
    assert result.exit_code == 1 and "gone.pth" in result.output and "Traceback" not in result.output
    assert not (tmp_path / "b").exists()
