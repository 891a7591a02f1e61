"""How well adapting on N photos works on other objects of a larger set: cross-validation the other way round.

The objects are dealt into parts of about N photos. For each part the bundle is adapted on that part alone
and asked about all photos of the other parts. Command line: python -m selcon_training.adapt.cross_validation
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.atomic_write import write_json
from selcon_training.adapt.measure import PhotoAnswer, figures
from selcon_training.adapt.photo_set import folds
from selcon_training.adapt.pipeline import STEPS
from selcon_training.adapt.subject import Subject, prepare
from selcon_training.errors import AdaptError
from selcon_training.training.process import using_threads


def cross_validate(subject: Subject, count: int, steps: int, seed: int) -> dict[str, Any]:
    """Figures before and after, over all answers about objects that were not adapted to; by action too.

    A photo is asked about once for every part that it is not in; intervals are over objects. Raises
    AdaptError for sets with fewer than two parts.
    """
    photos, manifest = subject.photo_set.photos, subject.bundle.manifest
    parts = folds(photos, max(1, round(len(photos) / count)), seed)
    if len(parts) < 2:
        raise AdaptError(f"{len(photos)} photos are not enough for {count} and others: give fewer --photos")
    before = subject.ask(subject.restored.net, photos)
    after: list[PhotoAnswer] = []
    with tqdm(total=steps * len(parts), unit="step", desc="adapting", dynamic_ncols=True) as bar:
        for number, part in enumerate(parts):
            own = [photos[index] for index in part]
            others = [photo for index, photo in enumerate(photos) if index not in part]
            net = subject.learn(own, subject.photo_set.negatives, steps, seed + number, bar)
            after += subject.ask(net, others)
    sides = {"before": before, "after": after}
    by_action = {
        manifest.actions[action]: {
            side: figures([each for each in every if each.action == action], manifest.confidence)
            for side, every in sides.items()
        }
        for action in subject.photo_set.actions
    }
    overall = {side: figures(every, manifest.confidence) for side, every in sides.items()}
    return {"parts": [len(part) for part in parts], "steps": steps, "overall": overall, "actions": by_action}


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--photos", type=click.IntRange(4), default=8, show_default=True, help="To adapt on.")
@click.option(
    "--negatives", type=click.Path(path_type=Path, file_okay=False), help="Folder of negative pictures."
)
@click.option("--objects", metavar="REGEX", help="As of selcon adapt: photos of one object stay together.")
@click.option("--steps", type=click.IntRange(1), default=STEPS, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of results.json.")
def command(
    bundle: Path,
    data: Path,
    photos: int,
    negatives: Path | None,
    objects: str | None,
    steps: int,
    seed: int,
    out: Path,
) -> None:
    r"""Measure BUNDLE adapted on a few photos of DATA at a time, on the photos of its other objects.

    \b
    Example:
      python -m selcon_training.adapt.cross_validation bundles/base data/mine/testset --photos 8 --out report
      python -m selcon_training.adapt.cross_validation base photos --objects '\d+_(.+)\.jpg' --out report
    """
    try:
        with using_threads(None):
            result = cross_validate(prepare(data, bundle, negatives, objects), photos, steps, seed)
        write_json(out / "results.json", result)
    except (SelconError, OSError) as error:
        raise click.ClickException(str(error)) from None
    for side, found in result["overall"].items():
        low, high = found["intervals"]["right_part"] or (float("nan"), float("nan"))
        click.echo(
            f"{side}: right part {100 * found['right_part']:.1f} % ({100 * low:.0f} to {100 * high:.0f}) of "
            f"{found['questions']} answers, KLD {found['kld']:.3f}"
        )


if __name__ == "__main__":
    command()
