"""One small rendered data set for every test of the tabletop world."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("MUJOCO_GL", "osmesa")
if find_spec("mujoco") is None:
    pytest.skip("MuJoCo is missing: pip install 'selcon_ros[sim]'", allow_module_level=True)

from selcon_tabletop.rendering import Renderer, RenderError


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
    """The data set at its smallest: eight scenes a split. Tests must leave it as it is."""
    from selcon_tabletop.dataset import render

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the processes of a test run share one
        folder = folder.parent
    with FileLock(folder / "world.lock"):
        render(folder / "world", scale=0, workers=2, progress=False)
    return folder / "world"
