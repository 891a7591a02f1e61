"""Fetching encoders from a hub, for a machine without a connection too."""

import json

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from selcon_ros.cli.main import main
from selcon_training.encoders import load_clip, load_dino, weights_digest
from selcon_training.encoders.hub import published
from selcon_training.errors import EncoderError
from support import nets

SIZE = (160, 160)


@pytest.fixture
def dino():
    torch.manual_seed(0)
    return nets.named_vit()


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["vit_small_patch16_224.dino", "--out", "d.safetensors"], "cannot get the weights 'pretrained'"),
        (["ViT-B-32", "--out", "c.safetensors"], "say which with --weights (openai, laion400m_e31"),
        (["ViT-B-32", "--weights", "mine", "--out", "c.safetensors"], "neither a file nor one of its tags"),
        (["no_such_vit", "--out", "d.safetensors"], "timm knows no model"),
        (["vit_small_patch16_224.dino", "--out", "d.pt"], "must end in .safetensors"),
    ],
)
def test_fetching_what_is_not_to_be_had(tmp_path, monkeypatch, arguments, needed):
    offline(monkeypatch)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["encoders", "fetch", *arguments])
    assert result.exit_code == 1 and needed in result.output and "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def offline(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("load", "spec", "command", "key"),
    [
        (
            load_dino,
            {"name": "vit_tiny_patch16_224.augreg_in21k", "weights": "pretrained"},
            "selcon encoders fetch vit_tiny_patch16_224.augreg_in21k --out",
            "encoders.dino.weights=vit_tiny_patch16_224.augreg_in21k.safetensors",
        ),
        (
            load_clip,
            {"name": "ViT-B-32", "weights": "laion2b_e16"},
            "selcon encoders fetch ViT-B-32 --weights laion2b_e16 --out ViT-B-32.laion2b_e16.safetensors",
            "encoders.clip.weights=ViT-B-32.laion2b_e16.safetensors",
        ),
    ],
)
def test_a_hub_out_of_reach_names_the_command_for_elsewhere(load, spec, command, key, monkeypatch):
    offline(monkeypatch)
    with pytest.raises(EncoderError) as caught:
        load(spec, (224, 224))
    assert command in str(caught.value) and key in str(caught.value)


def test_a_fetched_file_is_what_the_hub_gave_and_says_what_it_holds(tmp_path, dino, monkeypatch):
    """The hub is a local file here: what is downloaded is given as the weights of the same command."""
    save_file(dino.state_dict(), tmp_path / "hub.safetensors")
    out = tmp_path / "new" / "test_vit.safetensors"
    arguments = ["fetch", "test_vit", "--weights", str(tmp_path / "hub.safetensors"), "--out", str(out)]
    result = CliRunner().invoke(main, ["encoders", *arguments])
    assert result.exit_code == 0, result.output
    digest = weights_digest(dino)
    assert f"encoders.dino.sha256: {digest}" in result.output
    assert f"encoders.dino.weights: {out}" in result.output
    with safe_open(out, "pt") as file:
        assert file.metadata()["encoder"] == "test_vit" and file.metadata()["digest"] == digest
    encoder = load_dino({"name": "test_vit", "weights": str(out), "sha256": digest}, SIZE)
    assert encoder.spec.sha256 == digest
    with pytest.raises(EncoderError, match="holds test_vit, not test_vit2: set the encoder's name"):
        load_dino({"name": "test_vit2", "weights": str(out)}, SIZE)
    assert set(load_file(out)) == set(dino.state_dict())


def test_fetching_an_encoder_that_the_network_cannot_use_writes_nothing(tmp_path):
    model = nets.create_model("test_vit_relpos", num_classes=0)
    save_file(model.state_dict(), tmp_path / "other.safetensors")
    arguments = ["fetch", "test_vit_relpos", "--weights", str(tmp_path / "other.safetensors")]
    result = CliRunner().invoke(main, ["encoders", *arguments, "--out", str(tmp_path / "new.safetensors")])
    assert result.exit_code == 1 and "test_vit_relpos has feature maps of strides" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["other.safetensors"]


def test_the_list_names_the_papers_encoders_and_those_after_them():
    result = CliRunner().invoke(main, ["encoders", "list", "--json"])
    listed = {tuple(each.values()) for each in json.loads(result.stdout)}
    assert listed == set(published())
    assert {
        ("dino", "vit_small_patch16_224.dino", "pretrained"),
        ("dino", "vit_small_patch14_reg4_dinov2.lvd142m", "pretrained"),
        ("dino", "vit_small_patch16_dinov3.lvd1689m", "pretrained"),
        ("clip", "ViT-B-16-quickgelu", "openai"),
        ("clip", "ViT-L-14", "laion2b_s32b_b82k"),
    } <= listed
    assert not [name for _, name, _ in listed if "SigLIP" in name or "EVA" in name or name.startswith("RN")]
    assert ("clip", "ViT-B-16", "openai") not in listed  # its activation is QuickGELU
    plain = CliRunner().invoke(main, ["encoders", "list"]).output
    assert "  ViT-B-16-quickgelu  openai\n" in plain and "encoders.dino (parts): name, weights" in plain
