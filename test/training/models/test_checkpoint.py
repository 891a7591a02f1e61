"""A checkpoint's files are read as plain files, and what is said of them is fit to be printed."""

import json
import math
import os
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from selcon_training.encoders.torch_files import why_unreadable
from selcon_training.encoders.weight_files import read_state_dict
from selcon_training.errors import CheckpointError, EncoderError
from selcon_training.models.checkpoint import load_model, read_weights
from selcon_training.training.run_folder import read_state
from support.processes import exit_code, in_a_process


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
