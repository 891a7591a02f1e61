"""Render the tabletop data set: splits in the AGD20K folder layout, with truth maps, masks, depth and
cameras.

Every scene is a job with a seed of its own, so the set can be rendered in parallel, stopped and taken up
again.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

import numpy as np
from tqdm import tqdm

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.atomic_write import write_json
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.files.plain_file import read_bytes
from selcon_tabletop.parts import ACTIONS
from selcon_tabletop.rendering import NO_PICTURES, Renderer
from selcon_tabletop.splits import Split, draw, splits
from selcon_tabletop.view_files import KIND_NAMES, check_names, write_view
from selcon_tabletop.world import read_world
from selcon_training.data.pictures import MEDIA_FILE
from selcon_training.ranks import ALONE, Ranks, cores_of_rank

_renderers: dict[tuple[int, int], Renderer] = {}  # one a worker process and image size


def render_scene(root: Path, split: Split, index: int, seed: int, media: Path | None = None) -> None:
    """Render one scene and leave its mark, which says that it need not be rendered again."""
    if split.size not in _renderers:
        _renderers[split.size] = Renderer(*split.size)
    rng = np.random.default_rng([seed, crc32(split.name.encode()), index])
    world = read_world(media)
    scene, asked = draw(split, index, rng, world)
    pictures = NO_PICTURES if split.measured else world.pictures(rng)
    views = _renderers[split.size].render(scene, rng, pictures=pictures, depth=split.measured)
    for number, view in enumerate(views):
        write_view(root, split, f"{split.name}_{index:05d}_{number}", scene, view, asked)
    mark = _mark(root, split, index, seed)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _mark(root: Path, split: Split, index: int, seed: int) -> Path:
    return root / ".done" / f"{split.name}_{seed}" / f"{index:05d}"


def _check_begun(root: Path, content: object) -> None:
    """Raise SelconError where a data set was begun with other media: its scenes would not fit together."""
    path = root / "dataset.json"
    if (root / ".done").is_dir() and path.is_file():
        before = read_object(path, SelconError).get("media")
        if before != content:
            with_which = "without --media" if before is None else "with another media folder"
            raise SelconError(
                f"{root} was begun {with_which}: go on as it was begun, or render into another folder"
            )


def render(
    root: Path,
    scale: float = 1.0,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
    media: Path | None = None,
    ranks: Ranks = ALONE,
) -> int:
    """Render the data set into `root`, leaving out scenes already there; return how many scenes were
    rendered.

    `scale` multiplies the scene counts of `splits`; the same seed gives the same scenes whatever the number
    of workers. One of several processes renders its share of the scenes. `media`: a folder of `selcon
    tabletop media`, whose meshes and pictures the training splits then hold. Raises SelconError for one that
    cannot be used, and where `root` was begun with another or names other kinds of parts or objects.
    """
    check_names(root)
    if media is not None:
        read_world(media)
    root.mkdir(parents=True, exist_ok=True)
    about = {
        "format": 1,
        "name": "tabletop",
        "actions": list(ACTIONS),
        "exhaustive_truth": True,
        "synthetic": True,
        "seed": seed,
        "media": None if media is None else sha256(read_bytes(media / MEDIA_FILE, SelconError)).hexdigest(),
    }
    _check_begun(root, about["media"])
    write_json(root / "dataset.json", about)
    write_json(root / "parts.json", KIND_NAMES)
    scenes = [
        (split, index) for split in splits(scale, meshes=media is not None) for index in range(split.scenes)
    ]
    jobs = [job for job in ranks.share(scenes) if not _mark(root, *job, seed).exists()]
    with ProcessPoolExecutor(workers or cores_of_rank(), mp_context=get_context("spawn")) as pool:
        waiting = {
            pool.submit(render_scene, root, split, index, seed, media): split.name for split, index in jobs
        }
        with tqdm(total=len(jobs), unit="scene", desc="render", disable=not progress, mininterval=1) as bar:
            try:
                for done in as_completed(waiting):
                    done.result()
                    bar.set_postfix_str(waiting[done], refresh=False)
                    bar.update()
            except BaseException:
                # Not one scene after the other fails as the first did; what is rendered stays.
                pool.shutdown(cancel_futures=True)
                raise
    return len(jobs)
