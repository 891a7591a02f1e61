"""What a student sees: pictures in random views, and the teacher's heat in the same views."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.data.views import ViewRange
from selcon_training.distill.answers import TeacherAnswer
from selcon_training.distill.task import StudentViews

SIZE, GRID = (64, 96), (16, 24)
WILD = ViewRange((0.6, 1.6), "pad", True, 40.0, 0.2, 0.2, 0.4)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_teachers_heat_follows_the_picture(seed):
    """The picture is its own map: what is bright is hot."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(0, 2, (4, 5)), np.ones((3, 3))).astype(np.float32)
    picture = np.repeat(np.kron(coarse, np.ones((8, 8)))[:, :, None], 3, axis=2) * 255
    answer = TeacherAnswer(np.stack([coarse, 1 - coarse]), np.array([0.8, 0.3], np.float32))
    image, target = StudentViews(SIZE, GRID, WILD)(
        picture.astype(np.uint8), answer, np.random.default_rng(seed)
    )
    cells = image[:, :, 0].reshape(GRID[0], 4, GRID[1], 4).mean(axis=(1, 3)) / 255
    assert target.shape == (2, *GRID) and target.dtype == np.float32
    assert np.abs(target[0] / 0.8 - cells).mean() < 0.12  # the map is coarser than the picture
    assert target.max() <= 0.8 + 1e-6 and target[1].max() <= 0.3 + 1e-6
    assert (target.sum(axis=0)[cells > 0.99] > 0.29).all()
