"""The whole of `selcon explain`: open the checkpoint, follow the samples, write pictures and page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.pictures.picture_files import write_image
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.images import U8
from selcon_training.errors import CheckpointError
from selcon_training.reporting.discovery import sheet
from selcon_training.reporting.page import Shown, embedded, render
from selcon_training.reporting.samples import data_samples, named_samples
from selcon_training.reporting.trace import Trace, TraceSample, trace
from selcon_training.reporting.trained_run import Trained, open_trained


def run(
    checkpoint: Path,
    out: Path,
    *,
    images: Sequence[Path] = (),
    action: str = "",
    exo: Sequence[Path] = (),
    data: Path | None = None,
    divide: str | None = None,
    split: str = "trainset",
    names: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Draw samples and return their figures.

    `out` is one HTML file if it ends so, else a folder that gets index.html and a PNG per sample. Either
    `images` with `action`, or `data` with `names`.
    """
    trained = open_trained(checkpoint)
    if data is not None:
        skip = trained.config.data.skip if trained.config is not None else None
        samples = data_samples(open_dataset(data, divide, skip), split, names, trained.net.actions)
    else:
        samples = named_samples(images, action, exo, trained.net.actions)
    if not trained.exocentric:
        if exo:
            raise CheckpointError(
                f"{checkpoint} was trained on truth maps alone: its exocentric branch has learned nothing; "
                "leave out --exo"
            )
        samples = [TraceSample(sample.action, sample.ego) for sample in samples]
    alone = out.suffix.lower() in (".html", ".htm")
    pictures, figures = [], []
    for number, (made, picture) in enumerate(sheets(trained, samples), start=1):
        if not alone:
            name = f"{number:02d}_{made.sample.action}_{made.sample.ego.stem}.png"
            write_image(out / name, picture)
        pictures.append(shown(made, picture))
        figures.append(made.figures())
    title = f"What {checkpoint} sees"
    text = render("explain.html", title, note=trained.note, shown=pictures, weak=trained.weak)
    write_file(out if alone else out / "index.html", text)
    return figures


def sheets(trained: Trained, samples: Sequence[TraceSample]) -> list[tuple[Trace, Any]]:
    """Every sample's trace and its sheet."""
    made = []
    for sample in tqdm(samples, desc="explain", unit="sample", leave=False):
        net, weak = trained.net, trained.weak
        found = trace(net, sample, weak, trained.calibration, trained.gamma, trained.fit)
        made.append((found, sheet(found)))
    return made


def shown(made: Trace, picture: U8) -> Shown:
    """A sheet as a picture of a page."""
    name = f"{made.sample.action} · {made.sample.ego.name}"
    return Shown(embedded(picture), f"One sample: {name}", f"part discovery of {name}, step by step")
