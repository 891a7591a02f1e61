"""Loaded before any test: `selcon_ros` turns ONNX Runtime's telemetry off, also where a test imports it."""

from pathlib import Path

import pytest
from hypothesis import settings

import selcon_ros  # noqa: F401

# How fast a machine is decides nothing in a test.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small random ViT (`support.nets.vit_bundle`), whatever network the packaged one is."""
    pytest.importorskip("torch", reason="torch is missing: pip install 'selcon_ros[train]'")
    from support.nets import vit_bundle

    return vit_bundle(tmp_path_factory.mktemp("vit") / "vit")
