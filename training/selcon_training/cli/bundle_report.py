"""What a command says about a bundle that it wrote."""

from pathlib import Path

import click

from selcon_ros.core.bundle import Manifest


def report(manifest: Manifest, out: Path, as_json: bool) -> None:
    """Print the manifest as JSON, or a few lines for a reader."""
    if as_json:
        click.echo(manifest.to_json(), nl=False)
        return
    height, width = manifest.input_size
    padded = ", images padded" if manifest.fit == "pad" else ""
    click.echo(f"{out}: {manifest.name}, {len(manifest.actions)} actions, input {width}x{height}{padded}")
    click.echo(manifest.description)
    click.echo(f"Try it: selcon ground IMAGE --bundle {out} --action {manifest.actions[0]} --out overlay.png")
