"""A checkpoint gives its network back; its files are plain files, what is said of them can be printed."""

import json
import math
import os
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from selcon_training.encoders.torch_files import why_unreadable
from selcon_training.encoders.weight_files import read_state_dict
from selcon_training.errors import CheckpointError, EncoderError
from selcon_training.models.checkpoint import load_model, read_weights, save_model
from selcon_training.training.run_folder import read_state
from support import nets
from support.processes import exit_code, in_a_process

RECTANGLE = (64, 96)


def test_nothing_waits_for_the_writer_of_a_pipe(tmp_path):
    (tmp_path / "model.json").write_text('{"format_version": 1}')
    os.mkfifo(tmp_path / "model.safetensors")
    os.mkfifo(tmp_path / "trainer.pt")
    with pytest.raises(CheckpointError, match="model.safetensors: it is a pipe, not a plain file"):
        load_model(tmp_path)
    with pytest.raises(CheckpointError, match="trainer.pt: it is a pipe, not a plain file"):
        read_state(tmp_path, torch.device("cpu"))


def test_missing_weights(tmp_path):
    (tmp_path / "model.json").write_text('{"format_version": 1}')
    with pytest.raises(CheckpointError, match="model.safetensors: No such file"):
        load_model(tmp_path)


def test_what_a_damaged_file_is_quoted_with_is_printable():
    assert why_unreadable(RuntimeError("Unknown endianness type: littl\0")) == (
        "Unknown endianness type: littl\\x00"
    )


def test_an_archive_with_a_name_that_is_no_text(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pth")
    content = (tmp_path / "weights.pth").read_bytes()
    directory = content.index(b"PK\x01\x02")
    name = content.index(b"data.pkl", directory)
    (tmp_path / "weights.pth").write_bytes(content[:name] + b"\xab" + content[name + 1 :])
    with pytest.raises(EncoderError, match="not a file of weights that can be read safely"):
        read_state_dict(tmp_path / "weights.pth")


def test_weights_larger_than_the_memory(tmp_path):
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(2 << 30)

    def read() -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), used + (1 << 30)))
        with pytest.raises(CheckpointError, match="model.safetensors cannot be read: .*memory"):
            read_weights(tmp_path)

    assert exit_code(in_a_process(read)) == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input_size": [64, -3]}, "a side of input_size is -3, not a whole number of 1 to 8192"),
        ({"input_size": [64, 1e9]}, "a side of input_size is 1000000000.0"),
        ({"upscale": math.inf}, "upscale is inf, not a whole number of 1 to 4"),
        ({"upscale": 1.5}, "upscale is 1.5"),
        ({"actions": ["hold", 7]}, "actions: 7 is no text"),
        ({"cam_activation": ["relu"]}, r"cam_activation: \['relu'\] is no text"),
        ({"encoders": {"clip": {"name": 0.5}, "dino": {"name": "test_vit"}}}, "name of an encoder is 0.5"),
    ],
)
def test_a_description_of_other_types_is_told(tmp_path, changes, told):
    encoders = {"clip": {"name": "none"}, "dino": {"name": "none"}}
    description = {
        "format_version": 1, "actions": ["hold"], "input_size": [64, 96], "cam_activation": "relu",
        "meta": {}, "upscale": 1, "encoders": encoders, "encoders_stored": True, "encoders_trainable": False,
    }  # fmt: skip
    (tmp_path / "model.json").write_text(json.dumps({**description, **changes}))
    features = {name: torch.zeros(1, 4) for name in ("text_action", "text_person")}
    save_file(features, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=f"is not a complete checkpoint: .*{told}"):
        load_model(tmp_path)


@pytest.mark.parametrize("kind", ["frozen", "trained", "random", "finer"])
def test_a_checkpoint_gives_the_same_network_back(tmp_path, kind):
    net = nets.loaded_net(tmp_path, random=kind == "random", upscale=2 if kind == "finer" else 1)
    if kind == "trained":
        net.train_encoders(True)
        with torch.no_grad():
            net.dino.key.weight.mul_(1.5)
    save_model(tmp_path / "run", net, {"epochs": 3})
    again, meta = load_model(tmp_path / "run")
    images = torch.randn(1, 3, *RECTANGLE)
    for ours, theirs in zip(again(images), net(images), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert meta == {"epochs": 3} and again.actions == nets.ACTIONS
    assert again.encoders_trainable is (kind == "trained")
    stored = any(
        key.startswith(("clip.", "dino.")) for key in load_file(tmp_path / "run" / "model.safetensors")
    )
    assert stored is (kind in ("trained", "random")) and again.map_grid == net.map_grid


def test_other_encoder_weights_than_those_trained_with_are_refused(tmp_path):
    net = nets.loaded_net(tmp_path)
    save_model(tmp_path / "run", net)
    save_file(nets.named_vit().state_dict(), tmp_path / "dino.safetensors")
    with pytest.raises(EncoderError, match="digest"):
        load_model(tmp_path / "run")


def test_damaged_checkpoints_say_what_is_wrong(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(CheckpointError, match=r"model\.json is missing"):
        load_model(run)
    save_model(run, nets.loaded_net(tmp_path, random=True))
    description = json.loads((run / "model.json").read_text())
    # Copies: the file that they would be mapped from is written over below.
    state = {key: value.clone() for key, value in load_file(run / "model.safetensors").items()}

    lame = {key: value for key, value in state.items() if key != "heads.fc1.bias"}
    save_file(lame | {"heads.surplus": torch.zeros(1)}, run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"missing: heads\.fc1\.bias(.|\n)*extra: heads\.surplus"):
        load_model(run)

    sick = state | {"heads.fc2.weight": state["heads.fc2.weight"].clone().fill_(float("nan"))}
    save_file(sick, run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"NaN or infinite: heads\.fc2\.weight"):
        load_model(run)

    (run / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(run)

    (run / "model.safetensors").unlink()
    os.mkfifo(run / "model.safetensors")  # nobody waits for who writes into it
    with pytest.raises(CheckpointError, match="model.safetensors: it is a pipe, not a plain file"):
        load_model(run)
    (run / "model.safetensors").unlink()

    save_file(state, run / "model.safetensors")
    for change, message in [
        ({"format_version": 9}, "format_version is 9"),
        ({"encoders": {}}, "not a complete"),
    ]:
        (run / "model.json").write_text(json.dumps(description | change))
        with pytest.raises(CheckpointError, match=message):
            load_model(run)
    (run / "model.json").write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_model(run)


def test_a_network_of_unnamed_encoders_cannot_be_saved(tmp_path):
    with pytest.raises(CheckpointError, match="load_clip and load_dino"):
        save_model(tmp_path, nets.small_net(RECTANGLE))
