"""One small rendered data set for every test of the tabletop world."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("MUJOCO_GL", "osmesa")
pytest.importorskip("mujoco", reason="MuJoCo is missing: pip install 'selcon_ros[sim]'")

from selcon_training.tabletop.rendering import Renderer, RenderError


@pytest.fixture(scope="session")
def renderer():
    try:
        renderer = Renderer(160, 120)
    except RenderError as error:
        pytest.skip(f"no off-screen rendering here ({error}): apt-get install libosmesa6")
    yield renderer
    renderer.close()


@pytest.fixture(scope="session")
def small_world(renderer, tmp_path_factory) -> Path:
    """The data set at its smallest: eight scenes a split."""
    from selcon_training.tabletop.dataset import render

    root = tmp_path_factory.mktemp("world") / "data"
    render(root, scale=0, workers=2, progress=False)
    return root
