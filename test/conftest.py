"""Loaded before any test: `selcon_ros` turns ONNX Runtime's telemetry off, also where a test imports it."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

import selcon_ros  # noqa: F401
from support.squares import squares_of

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
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model that finds red (cut_with), green (hold) and blue (pour). Tests leave it as it is."""
    from support.bundles import colour_bundle

    return colour_bundle(tmp_path_factory.mktemp("bundle") / "colours")


squares = squares_of("session", small_clip=True, train=6, val=3, negatives=3)
training_squares = squares_of("session", small_clip=True, train=12, val=3, negatives=3)
measured_squares = squares_of("session", test=9, negatives=6)
unlabelled = squares_of("session", small_clip=True, train=9, exhaustive=False)
"""For training: action labels alone, as AGD20K has them."""
