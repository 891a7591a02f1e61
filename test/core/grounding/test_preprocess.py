import numpy as np
import pytest

from selcon_ros.core.errors import ImageError
from selcon_ros.core.grounding.preprocess import preprocess
from support.bundles import colour_manifest


def test_normalisation_and_channel_order() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[..., 0], image[..., 2] = 255, 51
    manifest = colour_manifest()
    tensor = preprocess(image, manifest)
    assert tensor.shape == (1, 3, 288, 384) and tensor.dtype == np.float32 and tensor.flags.c_contiguous
    for channel, value in enumerate((1.0, 0.0, 0.2)):
        mean, std = manifest.normalisation.mean[channel], manifest.normalisation.std[channel]
        np.testing.assert_allclose(tensor[0, channel], (value - mean) / std, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (100, 130), (288, 384), (1, 1), (3000, 10)])
def test_images_are_stretched_whole(size: tuple[int, int]) -> None:
    """A ramp over the whole image is a ramp over the whole input: nothing cropped, nothing padded."""
    ramp = np.linspace(0, 255, size[1]).astype(np.uint8) if size[1] > 1 else np.array([128], np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (*size, 3)).copy()
    manifest = colour_manifest()
    mean, std = manifest.normalisation.mean[0], manifest.normalisation.std[0]
    row = preprocess(image, manifest)[0, 0, 144] * std + mean
    wanted = np.interp((np.arange(384) + 0.5) * size[1] / 384 - 0.5, np.arange(size[1]), ramp / 255)
    np.testing.assert_allclose(row, wanted, atol=0.02)


def test_a_grid_of_thin_lines_does_not_alias_away() -> None:
    """Shrinking by six: lines one pixel wide keep their share of the brightness."""
    image = np.zeros((1728, 2304, 3), np.uint8)
    image[:, ::6] = 255
    manifest = colour_manifest()
    red = preprocess(image, manifest)[0, 0] * manifest.normalisation.std[0] + manifest.normalisation.mean[0]
    np.testing.assert_allclose(red, 1 / 6, atol=0.01)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 640, 3), np.uint8), r"\(0, 640, 3\)"),
        (np.zeros((480, 640), np.uint8), r"\(480, 640\)"),
        (np.zeros((480, 640, 4), np.uint8), r"\(480, 640, 4\)"),
        (np.zeros((480, 640, 3), np.float32), "float32"),
    ],
)
def test_anything_else_is_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        preprocess(image, colour_manifest())
