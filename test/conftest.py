"""Loaded before any test: `selcon_ros` turns ONNX Runtime's telemetry off, also where a test imports it."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

import selcon_ros  # noqa: F401

# How fast a machine is decides nothing in a test.
settings.register_profile("no deadline", deadline=None)
settings.register_profile("few", deadline=None, max_examples=25)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --long."""
    parser.addoption("--long", action="store_true", help="Run the tests that are marked as long, too.")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two processes for each core, because tests also wait, where there are 2 GiB for each."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(2 * len(os.sched_getaffinity(0)), memory >> 31))


LONG = (
    "tabletop/test_build.py",
    "training/test_two_hosts.py",
    "benchmarks/test_gpu.py",
    "export/test_official_checkpoint.py",
    "view/test_page.py",
    "doctor/test_graph.py",
    "tabletop/test_pretrain.py",
    "encoders/test_frozen.py",
    "training/test_distributed.py",
    "demo/test_demo.py",
    "training/test_trainer.py",
    "benchmarks/test_engines.py",
    "bench/test_bench.py",
    "training/test_weak_training.py",
    "training/test_robust_runs.py",
    "labelling/test_page.py",
    "adapt/test_pipeline.py",
    "ros/test_containers.py",
)
"""Files of few tests that take long, in their order: what computes or takes much memory beside what waits."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: begun last, it would leave the other processes of a run without work."""
    if items and not items[0].config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long") is not None:
                item.add_marker(pytest.mark.skip(reason="takes long: make test-long"))
    counts = Counter(item.path for item in items)
    first = {name: place for place, name in enumerate(LONG)}
    items.sort(
        key=lambda item: (first.get("/".join(item.path.parts[-2:]), len(LONG)), -counts[item.path], item.path)
    )


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small random ViT (`support.nets.vit_bundle`), whatever network the packaged one is."""
    pytest.importorskip("torch", reason="torch is missing: pip install 'selcon_ros[train]'")
    from support.nets import vit_bundle

    return vit_bundle(tmp_path_factory.mktemp("vit") / "vit")


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of coloured squares with everything (see `support.dataset`). Tests leave it as it is."""
    from support.nets import dataset_and_small_clip

    return dataset_and_small_clip(tmp_path_factory.mktemp("squares"), train=6, val=3, negatives=3)


@pytest.fixture(scope="session")
def training_squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `squares`, with twice as many scenes to train on."""
    from support.nets import dataset_and_small_clip

    return dataset_and_small_clip(tmp_path_factory.mktemp("squares"), train=12, val=3, negatives=3)


@pytest.fixture(scope="session")
def measured_squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `squares`, with more scenes in every split, above all in testset, and without the small CLIP."""
    from support.dataset import make_dataset

    return make_dataset(tmp_path_factory.mktemp("squares"), test=9, negatives=6)


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with action labels alone for training, as AGD20K is. Tests leave it as it is."""
    from support.nets import dataset_and_small_clip

    return dataset_and_small_clip(tmp_path_factory.mktemp("unlabelled"), train=9, exhaustive=False)
