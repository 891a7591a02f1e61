"""A picture that is turned by EXIF and its truth map."""

import cv2
import numpy as np
import pytest
from PIL import Image

from selcon_ros.core.pictures.orientation import as_stored
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.check import check
from selcon_training.data.dense import Augmentation, DenseImages, dense_items
from selcon_training.data.images import read_picture
from selcon_training.data.pairs import fitting
from selcon_training.errors import DataError


def upright_and_stored(shape, orientation):
    """A picture as it is seen and as it is stored in an EXIF orientation."""
    seen = np.zeros(shape, np.uint8)
    seen[: shape[0] // 3, : shape[1] // 4] = 255
    return seen, as_stored(seen, orientation)


def set_with_exif(root, seen, stored, orientation, truth, own=1):
    folders = [root / f"testset/{view}/hold/cup" for view in ("egocentric", "GT")]
    for folder in folders:
        folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).convert("RGB").save(folders[0] / "a.jpg", quality=95, exif=exif)
    exif[274] = own
    Image.fromarray(truth).save(folders[1] / "a.png", **({"exif": exif} if own != 1 else {}))
    assert np.abs(read_picture(folders[0] / "a.jpg")[..., 0].astype(int) - seen).mean() < 5
    return root


@pytest.mark.parametrize("of", ["stored", "seen", "both"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_turned_by_exif_and_its_map_stay_on_each_other_or_are_refused(tmp_path, orientation, of):
    seen, stored = upright_and_stored((48, 80), orientation)
    own = orientation if of == "both" else 1
    root = set_with_exif(tmp_path, seen, stored, orientation, seen if of == "seen" else stored, own)
    (report,) = check(root)
    data = open_dataset(root)
    if orientation <= 4 and of != "both":
        (place,) = report.findings["turned"]
        assert not report.ready and place.name.endswith("a.jpg") and "auto-orient" in place.note
        with pytest.raises(DataError, match=r"a\.jpg is turned by EXIF .*auto-orient"):
            dense_items(data, "testset", ["hold"])
        return
    assert report.ready
    (place,) = report.findings["with its image"]
    assert ("turned with it" in place.note) == (of != "seen")
    (item,) = dense_items(data, "testset", ["hold"])
    assert np.array_equal(fitting(item.truths[0], item.path), seen)
    batch = DenseImages([item], 1, (48, 80), (12, 20), Augmentation()).plain([0])
    shown = cv2.resize(batch.images[0][..., 0], (20, 12), interpolation=cv2.INTER_AREA) / 255.0
    assert np.abs(shown - batch.truth[0, 0]).mean() < 0.03


def test_sizes_that_do_not_tell_and_a_map_turned_alone_are_refused(tmp_path):
    seen, stored = upright_and_stored((64, 64), 6)
    root = set_with_exif(tmp_path / "square", seen, stored, 6, seen)
    assert "turned" in check(root)[0].findings
    with pytest.raises(DataError, match="orientation 6"):
        dense_items(open_dataset(root), "testset", ["hold"])
    seen, _ = upright_and_stored((48, 80), 1)
    root = set_with_exif(tmp_path / "alone", seen, seen, 1, np.ascontiguousarray(seen.T), 6)
    assert "turned" in check(root)[0].findings
    with pytest.raises(DataError, match=r"a\.png is turned by EXIF .*its picture .* is not"):
        dense_items(open_dataset(root), "testset", ["hold"])
