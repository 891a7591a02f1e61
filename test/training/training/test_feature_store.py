"""Stored features of frozen encoders: what they hold, when they are shared, and what harms them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from selcon_ros.core.grounding.placement import Canvas
from selcon_training.config import ConfigError, parse_config
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import Augmentation
from selcon_training.data.device import to_input
from selcon_training.data.transforms import Jitter
from selcon_training.encoders.frozen import FrozenPass
from selcon_training.training.factory import build_net
from selcon_training.training.feature_store import FeatureStore
from selcon_training.training.tasks.weak import WeakTask
from selcon_training.training.trainer import Trainer
from selcon_training.training.validation import pictures
from support.dataset import weak_values


def test_seeds_share_a_store_whichever_images_they_hold_out(unlabelled, tmp_path):
    """Random encoders differ by seed, so one net stands for the frozen ones that do not."""
    net, folders, held = None, set(), set()
    for seed in (0, 1):
        values = weak_values(unlabelled, tmp_path / f"run{seed}", validation={"held_out": 0.34}, seed=seed)
        values["encoders"]["cache_folder"] = str(tmp_path / "features")
        values["data"]["zoom"] = [1.0, 1.0]
        config = parse_config(values)
        data = open_dataset(unlabelled, "Seen")
        net = net or build_net(config, data)
        task = WeakTask(config, data, net)
        folders.add(task.stores[0].folder)
        held.add(tuple(item.name for item in task.split.ego))
        alone = FeatureStore(
            tmp_path / "alone", net, task.split.ego[:2], STRETCH, views=2, saliency=True
        ).fill(net)
        batch = task.stores[0].features(task._ego_stored[:2], np.zeros(2, np.int64))
        assert torch.equal(batch.parts, alone.features(np.arange(2), np.zeros(2, np.int64)).parts)
    assert len(folders) == 1 and len(held) == 2


STRETCH = Augmentation(flip=True)


def encoded(folder, net, items, augmentation=STRETCH, views=2, saliency=False, **how):
    return FeatureStore(folder, net, items, augmentation, views, saliency).fill(net, **how)


def untrained(squares, output):
    return Trainer(parse_config(weak_values(squares, output))).net


def test_two_views_without_zoom_are_the_image_and_its_mirror_image(squares, tmp_path):
    net = untrained(squares, tmp_path / "run")
    items = open_dataset(squares, "Seen").items("trainset")[:5]
    store = encoded(tmp_path / "store", net, items, saliency=True, batch_size=2)
    images = pictures([item.path for item in items], Canvas(net.input_size, net.map_grid)).images
    view = np.array([0, 1, 0, 1, 1])
    images[view == 1] = images[view == 1][:, :, ::-1]
    stored = store.features(np.arange(5), view)
    net.eval()
    fresh = net.features(to_input(images, torch.device("cpu")), saliency=True)
    for name in ("parts", "patches", "saliency"):
        assert torch.allclose(getattr(stored, name).float(), getattr(fresh, name), atol=4e-3), name
    assert not np.allclose(store.parts[1, 0], store.parts[1, 1], atol=0.05)


def test_views_are_crops_that_depend_on_nothing_but_the_image_and_the_view(squares, tmp_path):
    net = untrained(squares, tmp_path / "run")
    items = open_dataset(squares, "Seen").items("trainset")[:4]
    crops = Augmentation(zoom=(1.5, 2.0), fit="cover", jitter=Jitter(brightness=0.2))
    store = encoded(tmp_path / "store", net, items, crops, views=3, batch_size=4)
    parts = store.parts.astype(np.float32)
    assert all(not np.allclose(parts[:, one], parts[:, other], atol=0.05) for one, other in ((0, 1), (1, 2)))
    in_pieces = encoded(tmp_path / "pieces", net, items, crops, views=3, batch_size=3, threads=2)
    assert np.allclose(parts, in_pieces.parts.astype(np.float32), atol=1e-3)


def test_as_many_epochs_as_there_are_views_show_an_image_in_each(squares, tmp_path):
    values = weak_values(squares, tmp_path / "run")
    values["encoders"]["cache_views"] = 3
    values["data"] |= {"zoom": [1.5, 2.0], "fit": "cover"}
    task = Trainer(parse_config(values)).task
    seen: dict[bytes, int] = {}
    for epoch in range(3):
        for step in range(task.steps()):
            parts = task.job(epoch, step)().stored[1].parts
            for first in parts[:: task.config.data.exocentric]:
                seen[first.numpy().tobytes()] = seen.get(first.numpy().tobytes(), 0) + 1
    visits = 3 * task.steps() * task.config.schedule.batch_size
    assert len(seen) == visits and visits > 3 * len(task.split.exo) / 2


def test_a_picture_linked_into_several_folders_is_encoded_once(squares, tmp_path):
    net = untrained(squares, tmp_path / "run")
    first, second, third = open_dataset(squares, "Seen").items("trainset")[:3]
    link = tmp_path / "elsewhere.jpg"
    link.symlink_to(first.path)
    store = encoded(tmp_path / "store", net, [first, second, replace(first, path=link), third])
    assert store.parts.shape[0] == 3
    assert not any(np.array_equal(store.parts[0], store.parts[other]) for other in (1, 2))
    found = store.features(np.array([2, 3, 1]), np.zeros(3, np.int64)).parts.numpy()
    assert np.array_equal(found, store.parts[[0, 2, 1], 0])


def copied(squares, folder, count=3):
    items = open_dataset(squares, "Seen").items("trainset")[:count]
    for item in items:
        (folder / item.path.name).write_bytes(item.path.read_bytes())
    return [replace(item, path=folder / item.path.name) for item in items]


def test_a_store_goes_on_where_it_stopped_and_notices_changed_images(squares, tmp_path):
    net, items = untrained(squares, tmp_path / "run"), copied(squares, tmp_path)
    store = encoded(tmp_path / "store", net, items, batch_size=1)
    whole = store.parts[:].copy()
    (store.folder / "done.json").write_text('{"images": 1}')
    store.parts[0] = 5
    store.parts[1:] = 0
    again = encoded(tmp_path / "store", net, items, batch_size=1).parts
    assert (again[0] == 5).all() and np.array_equal(again[1:], whole[1:])  # the first is taken as it is
    items[0].path.write_bytes(items[1].path.read_bytes() + b" ")
    other = encoded(tmp_path / "store", net, items)
    assert other.folder != store.folder and not np.array_equal(other.parts[0], whole[0])


def test_every_setting_that_changes_features_has_a_store_of_its_own(squares, tmp_path):
    net, items = untrained(squares, tmp_path / "run"), copied(squares, tmp_path)
    folders = [
        FeatureStore(tmp_path / "store", net, items, augmentation, views, saliency).folder
        for augmentation, views, saliency in (
            (STRETCH, 2, False),
            (STRETCH, 3, False),
            (STRETCH, 2, True),
            (replace(STRETCH, zoom=(1.0, 1.2)), 2, False),
            (replace(STRETCH, flip=False), 2, False),
        )
    ]
    net.frozen_pass = FrozenPass(torch.bfloat16)
    folders.append(FeatureStore(tmp_path / "store", net, items, STRETCH, 2, False).folder)
    with torch.no_grad():
        net.dino.key.weight.mul_(2)
    net.dino.spec = replace(net.dino.spec, sha256="0" * 64)
    folders.append(FeatureStore(tmp_path / "store", net, items, STRETCH, 2, False).folder)
    assert len(set(folders)) == len(folders) == 7


@pytest.mark.parametrize("harm", ["cut", "gone", "unreadable"])
def test_a_damaged_store_is_built_again(squares, tmp_path, capsys, harm):
    net, items = untrained(squares, tmp_path / "run"), copied(squares, tmp_path)
    store = encoded(tmp_path / "store", net, items)
    whole, path = store.patches[:].copy(), store.folder / "patches.npy"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "gone":
        path.unlink()
    else:
        (store.folder / "done.json").write_text("{")
    capsys.readouterr()
    assert np.array_equal(encoded(tmp_path / "store", net, items).patches, whole)
    assert "damaged" in capsys.readouterr().err


def test_the_size_is_announced_and_a_disk_too_small_refused(squares, tmp_path, capsys):
    net, items = untrained(squares, tmp_path / "run"), copied(squares, tmp_path)
    capsys.readouterr()
    store = FeatureStore(tmp_path / "store", net, items, STRETCH, 2, saliency=False)
    said = capsys.readouterr().err
    assert "features of 3 images x 2 views take" in said and str(store.folder) in said
    taken = sum(path.stat().st_blocks * 512 for path in store.folder.glob("*.npy"))
    assert taken >= store.parts.nbytes + store.patches.nbytes  # no holes that a full disk could not fill
    with pytest.raises(ConfigError, match=r"(?s)TB|GB.*encoders\.cache_folder"):
        FeatureStore(tmp_path / "other", net, items, STRETCH, 10**9, saliency=False)
    assert not list((tmp_path / "other").rglob("*.npy"))


def test_a_store_is_held_against_other_processes_while_it_is_filled(squares, tmp_path):
    net, items = untrained(squares, tmp_path / "run"), copied(squares, tmp_path)
    store = FeatureStore(tmp_path / "store", net, items, STRETCH, 2, saliency=False)
    lock = [
        sys.executable,
        "-c",
        f"from filelock import *; FileLock({str(store.folder / 'lock')!r}).acquire(timeout=0)",
    ]
    refused = []
    net.clip.register_forward_hook(
        lambda *_: refused.append("Timeout" in subprocess.run(lock, capture_output=True, text=True).stderr)
    )
    store.fill(net)
    assert refused and all(refused)
    assert subprocess.run(lock).returncode == 0
