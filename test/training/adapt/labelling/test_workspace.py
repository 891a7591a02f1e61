"""Drawings on a folder of photos, kept and turned into a data set that the trainer reads."""

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("filelock", reason="filelock is missing: pip install 'selcon_ros[train]'")

from selcon_training.adapt.labelling.drawing import Change, Stroke, masks
from selcon_training.adapt.labelling.workspace import ConflictError, Workspace
from selcon_training.adapt.reading import read_photos
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.check import check
from selcon_training.data.dense_items import dense_items
from selcon_training.data.images import read_picture
from selcon_training.errors import DataError

ACTIONS = ["hold", "cut_with"]
SIZE = (48, 64)
SQUARE = Stroke(action="hold", tool="polygon", points=[(8, 4), (24, 4), (24, 20), (8, 20)])
STREAK = Stroke(action="cut_with", tool="brush", size=6, points=[(40, 10), (50, 40)])


@pytest.fixture
def photos(tmp_path):
    """Four photos, one of them in a folder of its object."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    (folder / "mug").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "c.JPG", "mug/a.jpg"):
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), np.uint8)).save(folder / name)
    return folder


class Opened(Workspace):
    """A workspace that is asked by the names of photos."""

    def number(self, name):
        return [photo.name for photo in self.photos].index(name)

    def draw(self, name, *strokes, thing=None, nothing=False):
        number = self.number(name)
        before = self.drawing(number)
        thing = before.object if thing is None else thing
        self.change(number, Change(revision=before.revision, object=thing, nothing=nothing, strokes=strokes))
        self.write_masks()
        assert self.problem == ""


@pytest.fixture
def opened(photos, tmp_path):
    made = []

    def open_again(actions=ACTIONS, folder=photos):
        while made:
            made.pop().close()
        made.append(Opened(folder, tmp_path / "set", actions))
        return made[-1]

    yield open_again
    for each in made:
        each.close()


def files(root):
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".json" and not path.name.startswith(".")
    )


def test_what_is_drawn_is_what_the_trainer_reads(opened, photos, tmp_path):
    workspace = opened()
    workspace.draw("a.jpg", SQUARE, STREAK)
    workspace.draw("mug/a.jpg", SQUARE)
    root = tmp_path / "set"
    layout, labelled = read_photos(root)
    assert layout == "AGD20K layout" and len(labelled) == 2
    wanted = {"a": masks([SQUARE, STREAK], SIZE), "mug__a": masks([SQUARE], SIZE)}
    for photo in labelled:
        assert photo.complete and set(photo.shapes) == set(wanted[photo.path.stem])
        for action, (shape,) in photo.shapes.items():
            assert np.array_equal(shape.raster(SIZE, SIZE), wanted[photo.path.stem][action] > 0)
    assert (root / "trainset/egocentric/hold/mug/mug__a.jpg").read_bytes() == (
        photos / "mug/a.jpg"
    ).read_bytes()
    items = {item.name: item for item in dense_items(open_dataset(root), "trainset", ["cut_with", "hold"])}
    assert sorted(items["a"].truths) == [0, 1] and sorted(items["mug__a"].truths) == [1]
    assert items["a"].known is None and items["a"].masks.keys() == items["a"].truths.keys()
    (report,) = check(root)
    assert report.ready and set(report.findings) <= {"repeated", "no exo", "ignored", "read as"}
    # The mask alone is what trains; around it the truth map fades.
    truth = cv2.imread(str(root / "trainset/GT/hold/unnamed/a.png"), cv2.IMREAD_UNCHANGED)
    assert truth.shape == SIZE and truth.max() == 255 and 0 < truth[12, 25] < 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_that_exif_turns_is_drawn_upright(opened, photos, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(photos / "b.png") as image:
        image.resize((48, 48) if orientation == 3 else (64, 48)).save(photos / "c.JPG", exif=exif.tobytes())
    workspace = opened()
    upright = read_picture(photos / "c.JPG").shape[:2]
    drawing = workspace.drawing(workspace.number("c.JPG"))
    assert (drawing.height, drawing.width) == upright
    workspace.draw("c.JPG", SQUARE)
    (photo,) = read_photos(tmp_path / "set")[1]
    (shape,) = photo.shapes["hold"]
    assert np.array_equal(shape.raster(upright, upright), masks([SQUARE], upright)["hold"] > 0)
    dense_items(open_dataset(tmp_path / "set"), "trainset", ["hold"])


def test_files_follow_what_is_drawn(opened, tmp_path):
    workspace = opened()
    workspace.draw("a.jpg", SQUARE, STREAK, thing="blue mug")
    root = tmp_path / "set"
    kinds = [("GT", "png"), ("egocentric", "jpg"), ("mask", "png")]
    both = [
        f"trainset/{kind}/{action}/blue_mug/a.{ending}"
        for kind, ending in kinds
        for action in sorted(ACTIONS)
    ]
    assert files(root) == both
    # Another object, one action less; then nothing at all; then as if never drawn.
    clear = Stroke(action="cut_with", tool="clear")
    workspace.draw("a.jpg", SQUARE, STREAK, clear, thing="mug")
    assert files(root) == [f"trainset/{kind}/hold/mug/a.{ending}" for kind, ending in kinds]
    workspace.draw("a.jpg", SQUARE, nothing=True)
    assert files(root) == ["negatives/mug/a.jpg"] and workspace.state(0) == "nothing"
    workspace.draw("a.jpg")
    assert files(root) == [] and workspace.state(0) == "open"
    # Folders of objects and actions that are empty would be called wrong by a check.
    assert sorted(path.name for path in root.rglob("*/") if path.is_dir()) == sorted(
        ["GT", "drawings", "egocentric", "mask", "trainset"]
    )


def test_a_half_done_folder_is_gone_on_with(opened, tmp_path):
    workspace = opened()
    workspace.draw("a.jpg", SQUARE)
    drawn = workspace.drawing(0)
    workspace = opened(actions=None)
    assert workspace.actions == ("hold", "cut_with") and workspace.drawing(0) == drawn
    assert [workspace.state(number) for number in range(4)] == ["done", "open", "open", "open"]
    # An action that comes in later has not been looked for on the photos before.
    workspace = opened(actions=["pour"])
    assert workspace.actions == ("hold", "cut_with", "pour") and workspace.state(0) == "again"
    workspace.draw("a.jpg", SQUARE)
    assert workspace.state(0) == "done"


def test_masks_are_written_again_after_a_stop_between_drawing_and_masks(opened, tmp_path):
    workspace = opened()
    workspace.draw("a.jpg", SQUARE)
    mask = tmp_path / "set/trainset/mask/hold/unnamed/a.png"
    before = mask.read_bytes()
    smaller = SQUARE.model_copy(update={"points": [(1, 1), (9, 1), (5, 9)]})
    workspace.change(0, Change(revision=1, object="", nothing=False, strokes=[smaller]))
    assert mask.read_bytes() == before
    opened().write_masks()
    assert mask.read_bytes() != before


def test_two_pages_do_not_overwrite_each_other(opened):
    workspace = opened()
    change = Change(revision=0, object="", nothing=False, strokes=[SQUARE])
    workspace.change(0, change)
    with pytest.raises(ConflictError, match=r"a\.jpg was changed in another page"):
        workspace.change(0, change.model_copy(update={"strokes": []}))
    assert workspace.drawing(0).strokes == [SQUARE]


def test_masks_that_cannot_be_written_are_told_and_tried_again(opened, photos, tmp_path):
    workspace = opened()
    blocked = tmp_path / "set/trainset"
    blocked.write_text("in the way")
    workspace.change(0, Change(revision=0, object="", nothing=False, strokes=[SQUARE]))
    workspace.write_masks()
    assert "masks of a.jpg are not written" in workspace.problem
    blocked.unlink()
    workspace.write_masks()
    assert not workspace.problem and len(files(tmp_path / "set")) == 3


def not_a_drawing(photos, out):
    (out / "drawings").mkdir(parents=True)
    (out / "drawings/label.json").write_text('{"actions": ["hold"]}')
    (out / "drawings/a.json").write_text("{}")


def test_a_mask_of_the_whole_photo_is_told(opened):
    workspace = opened()
    everything = Stroke(action="hold", tool="polygon", points=[(-9, -9), (200, -9), (200, 200), (-9, 200)])
    workspace.change(0, Change(revision=0, object="", nothing=False, strokes=[everything]))
    workspace.write_masks()
    assert "a.jpg are not written: hold covers all of the photo" in workspace.problem


REFUSED = {
    "no photo": lambda photos, out: [path.rename(f"{path}.heic") for path in photos.rglob("*.*")],
    "name of plain text": lambda photos, out: (photos / "a.jpg").rename(photos / "a\udcff.jpg"),
    "not make it": lambda photos, out: (out.mkdir(), (out / "x.txt").write_text("")),
    "rename one": lambda photos, out: (photos / "a.png").write_bytes((photos / "b.png").read_bytes()),
    "no drawing of": not_a_drawing,
}


@pytest.mark.parametrize("told", REFUSED)
def test_folders_that_cannot_be_used_are_refused(opened, photos, tmp_path, told):
    REFUSED[told](photos, tmp_path / "set")
    with pytest.raises(DataError, match=told):
        opened()


def test_what_would_mix_things_up_is_refused(opened, photos, tmp_path):
    workspace = opened()
    with pytest.raises(DataError, match="open in another"):
        Workspace(photos, tmp_path / "set", ACTIONS)
    with pytest.raises(DataError, match="lies in the folder of the photos"):
        Workspace(photos, photos / "set", ACTIONS)
    with pytest.raises(DataError, match="action '../x' is to be|'../x' is no action"):
        Workspace(photos, tmp_path / "other", ["../x"])
    with pytest.raises(DataError, match="object '../x' is to be"):
        workspace.change(0, Change(revision=0, object="../x", nothing=False, strokes=[SQUARE]))
    workspace.draw("a.jpg", SQUARE)
    (photos / "a.jpg").write_bytes((photos / "mug/a.jpg").read_bytes())
    with pytest.raises(DataError, match="not the photo that was labelled"):
        workspace.drawing(0)


def test_masks_are_not_written_for_another_photo_of_that_name(opened, photos, tmp_path):
    workspace = opened()
    for number in (0, 1):
        workspace.change(number, Change(revision=0, object="", nothing=False, strokes=[SQUARE]))
    for name in ("a.jpg", "b.png"):
        Image.new("RGB", (300, 200)).save(photos / name)
    workspace.write_masks()
    assert "b.png is not the photo that was labelled" in workspace.problem
    assert workspace.problem.endswith("(and those of 1 other photos)") and files(tmp_path / "set") == []


@pytest.mark.parametrize("name", ["mugs (old), 2", "#1", "a:b", "ümläut"])
def test_photos_in_a_folder_of_any_name_can_be_kept(opened, photos, tmp_path, name):
    (photos / "mug").rename(photos / name)
    workspace = opened()
    workspace.draw(f"{name}/a.jpg", SQUARE)
    assert len(files(tmp_path / "set")) == 3


def test_links_in_a_set_lead_nowhere(opened, tmp_path):
    workspace = opened()
    workspace.draw("a.jpg", SQUARE)
    kept = tmp_path / "kept"
    kept.write_bytes(b"not ours")
    made = [path for path in (tmp_path / "set").rglob("a.*") if path.is_file()]
    for path in made:
        path.unlink()
        path.symlink_to(kept)
    workspace.draw("a.jpg", SQUARE, STREAK)
    assert len(made) == 4 and kept.read_bytes() == b"not ours" and len(files(tmp_path / "set")) == 6
    assert not any(path.is_symlink() for path in made)
