"""Photos for `selcon adapt`: the layouts that are read, and what is refused."""

import json

import cv2
import numpy as np
import pytest

import selcon_training.encoders  # noqa: F401 - makes torchvision importable before timm
from selcon_ros.core.grounding.placement import Canvas
from selcon_training.adapt.photo_set import make_photo_set, negative_pictures
from selcon_training.adapt.reading import read_photos
from selcon_training.adapt.shapes import polygon
from selcon_training.errors import AdaptError, DataError
from support import dataset, photos

CANVAS = Canvas((64, 96), (16, 24), "pad")
COCO_FILE = "annotations/instances_default.json"


def photo_set_of(folder, negatives=None, **options):
    layout, labelled = read_photos(folder, negatives)
    return make_photo_set(layout, labelled, negative_pictures(negatives), photos.LABELS, CANVAS, **options)


def in_order(photo_set):
    return sorted(photo_set.photos, key=lambda photo: photo.name)


@pytest.mark.parametrize("layout", photos.LAYOUTS)
def test_every_layout_gives_the_same_masks(tmp_path, layout):
    photo_set = photo_set_of(photos.LAYOUTS[layout](tmp_path))
    assert photo_set.layout == layout and len(photo_set.photos) == 6 and not photo_set.ignored
    for photo, (image, places) in zip(in_order(photo_set), photos.scenes(6), strict=True):
        assert np.array_equal(photo.loaded.picture, image)
        assert {photos.LABELS[action] for action in photo.masks} == set(places)
        for action, mask in photo.masks.items():
            assert np.array_equal(mask, photos.mask_of(*places[photos.LABELS[action]]))
            assert photo.loaded.truths[action].max() == 255
    # A label that is drawn on other photos is known to be absent; a folder tells of its own photos alone.
    known = {photo.known for photo in photo_set.photos}
    assert known == ({(0, 1), (0, 2), (1, 2)} if layout == "AGD20K layout" else {(0, 1, 2)})
    assert len({photo.object for photo in photo_set.photos}) == 6


def test_blurred_truth_alone_marks_the_part_above_half_its_peak(tmp_path):
    photos.folders(tmp_path)
    for path in (tmp_path / "mask").rglob("*.png"):
        blurred = cv2.GaussianBlur(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (0, 0), 2.0)
        place = tmp_path / "GT" / path.relative_to(tmp_path / "mask")
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), blurred)
        path.unlink()
    photo_set = photo_set_of(tmp_path)
    for photo, (_, places) in zip(in_order(photo_set), photos.scenes(6), strict=True):
        for action, mask in photo.masks.items():
            wanted = photos.mask_of(*places[photos.LABELS[action]]).astype(bool)
            assert (mask & wanted).sum() / (mask | wanted).sum() > 0.9
    assert (
        photo_set_of(tmp_path, sharp=True).photos[0].loaded.truths.keys() == photo_set.photos[0].masks.keys()
    )


def edit(folder, change, name="p1.json"):
    record = json.loads((folder / name).read_text())
    change(record)
    (folder / name).write_text(json.dumps(record))


REFUSED = {
    "no masks": lambda root: (root / "p1.json").unlink(),
    "no mask of an action": lambda root: edit(root, lambda record: record.update(shapes=[])),
    "cover the whole photo": lambda root: edit(
        root, lambda record: record["shapes"][0].update(points=[[0, 0], [128, 0], [128, 96], [0, 96]])
    ),
    "too few": lambda root: [path.unlink() for path in root.glob("p[3-9].*")],
    "inside": lambda root: edit(root, lambda record: record.update(imagePath="../p1.png")),
    "no such picture": lambda root: edit(root, lambda record: record.update(imagePath="q.png")),
    "two files": lambda root: edit(root, lambda record: record.update(imagePath="p2.png")),
    "is drawn on 100": lambda root: edit(root, lambda record: record.update(imageWidth=100)),
    "outside its photo": lambda root: edit(root, lambda record: record["shapes"][0]["points"][0].append(-9)
                                           or record["shapes"][0]["points"][0].pop(0)),
    "draw a polygon": lambda root: edit(root, lambda record: record["shapes"][0].update(shape_type="line")),
    "crosses itself too often": lambda root: edit(
        root, lambda record: record["shapes"][0].update(points=[[9, 0], [99, 96]] * 10_000)
    ),
    "not valid JSON": lambda root: (root / "p1.json").write_text("{"),
    "keep one of them": lambda root: photos.cvat(root, 1),
}  # fmt: skip


@pytest.mark.parametrize("told", REFUSED)
def test_what_would_not_help_is_refused(tmp_path, told):
    photos.labelme(tmp_path, 5)
    REFUSED[told](tmp_path)
    with pytest.raises((AdaptError, DataError), match=told):
        photo_set_of(tmp_path)


def test_an_outline_of_many_points_is_taken():
    turns = np.linspace(0.0, 2.0 * np.pi, 20_000)
    circle = 48 + 40 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    mask = polygon(circle, (96, 128), "circle").raster((96, 128), (96, 128))
    assert mask.sum() == pytest.approx(np.pi * 40**2, rel=0.01)


def test_labels_that_no_action_matches_are_told_and_left_out(tmp_path):
    photos.labelme(tmp_path, 5)
    edit(tmp_path, lambda record: record["shapes"].append(record["shapes"][0] | {"label": "table"}))
    edit(tmp_path, lambda record: record["shapes"][0].update(label="Cut With"), "p2.json")
    photo_set = photo_set_of(tmp_path)
    assert photo_set.ignored == {"table": 1} and 0 in photo_set.photos[2].masks
    for number in range(5):
        path = tmp_path / f"p{number}.json"
        path.write_text(path.read_text().replace('"label": "', '"label": "hodl'))
    with pytest.raises(AdaptError, match="no label is an action"):
        photo_set_of(tmp_path)


def test_a_missing_mask_in_folders_is_told(tmp_path):
    photos.folders(tmp_path)
    next((tmp_path / "mask" / "hold").rglob("*.png")).unlink()
    with pytest.raises(AdaptError, match="1 masks are missing .*hold on"):
        photo_set_of(tmp_path)
    with pytest.raises(DataError, match="testset"):
        (tmp_path / "egocentric").rename(tmp_path / "testset")
        (tmp_path / "testset" / "egocentric").mkdir()
        photo_set_of(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('rle="0', 'rle="1', "do not add up"),
        ("<annotations>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotations>", "not plain XML"),
        ("</annotations>", "<track/></annotations>", "of a video"),
        ('name="p1.png"', 'name="/etc/p1.png"', "inside"),
        ('top="', 'top="9', "outside its photo"),
    ],
)
def test_damaged_cvat_files_are_refused(tmp_path, old, new, told):
    photos.cvat(tmp_path)
    path = tmp_path / "annotations.xml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=told):
        photo_set_of(tmp_path)


@pytest.mark.parametrize("counts", ["0", "P2", "~" * 40, [5], [-1, 12289], "x", None])
def test_damaged_runs_of_coco_are_refused(tmp_path, counts):
    photos.coco(tmp_path)
    mask = {"size": list(dataset.SIZE), "counts": counts}
    edit(tmp_path, lambda record: record["annotations"][0].update(segmentation=mask), COCO_FILE)
    with pytest.raises(DataError, match="add up|counts must"):
        photo_set_of(tmp_path)


def test_a_number_of_two_labels_in_coco_is_refused(tmp_path):
    photos.coco(tmp_path)
    # As labelme2coco 0.2.6 numbers a label that its list lacks.
    numbers = [(1, "cup"), (2, "plate"), (1, "kettle"), (2, "cup"), (3, "plate")]

    def renumber(record):
        record["categories"] = [{"id": number, "name": name} for number, name in numbers]
        for each in record["annotations"]:
            each["category_id"] += 1

    edit(tmp_path, renumber, COCO_FILE)
    told = rf"{COCO_FILE}: category 1 is 'cup' and 'kettle': export it again .*coco_category_list.*labelme"
    with pytest.raises(DataError, match=told):
        read_photos(tmp_path)


def test_a_number_of_two_photos_in_coco_is_refused(tmp_path):
    photos.coco(tmp_path)

    def join(record):
        record["images"][1]["id"] = 0
        for each in record["annotations"]:
            each["image_id"] = each["image_id"] if each["image_id"] > 1 else 0

    edit(tmp_path, join, COCO_FILE)
    told = rf"{COCO_FILE}: image 0 is 'images/default/p0.png' and 'images/default/p1.png': export it again"
    with pytest.raises(DataError, match=told):
        read_photos(tmp_path)


def test_a_photo_of_two_numbers_in_coco_is_refused(tmp_path):
    photos.coco(tmp_path)

    def point(record):
        record["images"][1]["file_name"] = record["images"][0]["file_name"]

    edit(tmp_path, point, COCO_FILE)
    with pytest.raises(DataError, match=r"p0\.png is labelled in two files of .*, or twice in one: keep one"):
        read_photos(tmp_path)


def test_what_coco_lists_twice_counts_once(tmp_path):
    photos.coco(tmp_path)
    once = in_order(photo_set_of(tmp_path))

    def repeat(record):
        for key in ("categories", "images", "annotations"):
            record[key] += record[key][:1]

    edit(tmp_path, repeat, COCO_FILE)
    for photo, wanted in zip(in_order(photo_set_of(tmp_path)), once, strict=True):
        assert photo.masks.keys() == wanted.masks.keys()
        assert all(np.array_equal(mask, wanted.masks[action]) for action, mask in photo.masks.items())


def test_what_is_outside_of_its_frame_in_coco_does_not_count(tmp_path):
    """As datumaro writes what CVAT's tracks say of the frame after their last one."""
    photos.coco(tmp_path)
    once = in_order(photo_set_of(tmp_path))

    def leave(record):
        drawn, *others = record["annotations"]
        drawn["attributes"] = {"outside": False, "keyframe": True}
        last = others[-1]["image_id"]
        record["annotations"].append({**drawn, "image_id": last, "attributes": {"outside": True}})

    edit(tmp_path, leave, COCO_FILE)
    for photo, wanted in zip(in_order(photo_set_of(tmp_path)), once, strict=True):
        assert photo.masks.keys() == wanted.masks.keys()
        assert all(np.array_equal(mask, wanted.masks[action]) for action, mask in photo.masks.items())


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((256, 192), r"mask .*p\d\.png is 256 x 192 pixels, and its photo .*p\d\.png 128 x 96: .*scale"),
        ((64, 48), "is 64 x 48 pixels, and its photo .* 128 x 96"),
        ((96, 128), r"is 96 x 128 pixels: not the shape of its image .*p\d\.png, which is 128 x 96: draw it"),
    ],
)
def test_masks_of_another_size_than_their_photo_are_refused(tmp_path, size, told):
    photos.folders(tmp_path)
    path = next((tmp_path / "mask" / "hold").rglob("*.png"))
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path), 0), size, interpolation=cv2.INTER_NEAREST))
    with pytest.raises(DataError, match=told):
        photo_set_of(tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_coco_mask_of_another_size_than_its_photo_is_refused(tmp_path, compressed):
    photos.coco(tmp_path)
    height, width = dataset.SIZE

    def swap(record):
        runs = [
            each["segmentation"] for each in record["annotations"] if isinstance(each["segmentation"], dict)
        ]
        wrong = next(each for each in runs if isinstance(each["counts"], str) is compressed)
        wrong["size"] = [width, height]

    edit(tmp_path, swap, COCO_FILE)
    told = rf"annotation \d+: its mask is of size \[{width}, {height}\], not \[{height}, {width}\]: export it"
    with pytest.raises(DataError, match=told):
        photo_set_of(tmp_path)


@pytest.mark.parametrize(("corner", "change"), [(1, 1), (1, -1), (0, -1000), (1, 1000)])
def test_a_labelme_mask_that_does_not_lie_between_its_points_is_refused(tmp_path, corner, change):
    photos.labelme(tmp_path)

    def move(record):
        shape = next(each for each in record["shapes"] if each["shape_type"] == "mask")
        shape["points"][corner][0] += change

    edit(tmp_path, move)
    with pytest.raises(DataError, match=r"p1\.json: shape 2 .*: its mask does not lie between its points"):
        photo_set_of(tmp_path)


def test_negative_pictures_may_lie_beside_the_photos(tmp_path):
    photos.labelme(tmp_path, 4)
    negatives = photos.negatives(tmp_path / "nothing", 3)
    for hidden in ("._n0.png", ".trash/n0.png"):
        (negatives / hidden).parent.mkdir(exist_ok=True)
        (negatives / hidden).write_bytes(b"of another system")
    photo_set = photo_set_of(tmp_path, negatives)
    assert [photo.known for photo in photo_set.negatives] == [None] * 3 and len(photo_set.photos) == 4
    with pytest.raises(DataError, match="3 photos .* have no masks"):
        photo_set_of(tmp_path)
