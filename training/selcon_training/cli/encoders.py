"""selcon encoders: which encoders there are, and bringing one to a machine without a connection."""

import json
from pathlib import Path

import click

from selcon_ros.cli.paths import OUT_FILE


@click.group()
def command() -> None:
    """Encoders and backbones: list them, or fetch one into a file for a machine without a connection.

    \b
    Examples:
      selcon encoders list
      selcon encoders fetch vit_small_patch16_224.dino --out dino.safetensors
      selcon encoders fetch ViT-B-16-quickgelu --weights openai --out clip.safetensors
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_command(as_json: bool) -> None:
    """List the encoders and backbones that the hubs of timm and open_clip have and the networks can use.

    \b
    Examples:
      selcon encoders list
      selcon encoders list --json
    """
    from selcon_training.encoders.hub import published

    found = published()
    if as_json:
        click.echo(json.dumps([each._asdict() for each in found], indent=2))
        return
    titles = {
        "dino": "encoders.dino (parts)",
        "clip": "encoders.clip (objects and text)",
        "backbone": "backbone (convolutional networks; others of timm work too)",
    }
    for role, title in titles.items():
        click.echo(f"{title}: name, weights")
        for each in found:
            if each.role == role:
                click.echo(f"  {each.name}  {each.weights}")


@command.command()
@click.argument("name")
@click.option("--weights", help="Which of its weights: a CLIP's tag, such as openai; or a file to convert.")
@click.option("--out", type=OUT_FILE, required=True, help="The .safetensors file to write.")
@click.option("--json", "as_json", is_flag=True, help="Print name, weights, digest and file as JSON.")
def fetch(name: str, weights: str | None, out: Path, as_json: bool) -> None:
    """Download the encoder NAME and write it to a file, where there is a connection.

    Prints the digest of the weights and the lines of the configuration that use the file.

    \b
    Examples:
      selcon encoders fetch vit_small_patch16_224.dino --out dino.safetensors
      selcon encoders fetch ViT-B-16-quickgelu --weights openai --out clip.safetensors
    """
    from selcon_training.encoders.hub import fetch as fetch_encoder

    spec, role = fetch_encoder(name, weights, out)
    if as_json:
        click.echo(json.dumps({"role": role, **spec.as_dict(), "file": str(out)}, indent=2))
        return
    click.echo(f"{spec.name} ({spec.weights}) written to {out}")
    section = "backbone" if role == "backbone" else f"encoders.{role}"
    click.echo(f"  {section}.name: {spec.name}")
    click.echo(f"  {section}.weights: {out}")
    click.echo(f"  {section}.sha256: {spec.sha256}")
