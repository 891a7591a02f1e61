from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from selcon_ros.core.errors import BundleError, ImageError
from selcon_ros.core.grounding import samples
from selcon_ros.core.grounding.bundle import (
    BundleFile,
    default_bundle_path,
    load_bundle,
    load_with_samples,
    sample_roles,
    write_bundle,
)
from selcon_ros.core.grounding.samples import read_samples, sample_files
from selcon_ros.core.pictures.picture_files import write_image
from support.bundles import colour_bundle, colour_manifest

SIZES = [(1280, 720), (48, 64), (641, 3), (640, 480)]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Pictures of these sizes (height, width) with a step from red to blue at a third of the width."""
    for number, (height, width) in enumerate(SIZES):
        image = np.empty((height, width, 3), np.uint8)
        image[:, : width // 3], image[:, width // 3 :] = (250, 40, 10), (10, 40, 250)
        write_image(tmp_path / f"{number}.png", image)
    return sorted(tmp_path.glob("*.png"))


@pytest.fixture(params=["bundle", "bundle.zip"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path, paths: list[Path]) -> Path:
    model = load_bundle(colour_bundle(tmp_path / "plain")).model
    write_bundle(tmp_path / request.param, colour_manifest(), {"model": model} | sample_files(paths))
    return tmp_path / request.param


def test_samples_are_the_pictures_at_most_640_pixels_long(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.manifest.files["sample.2"].path == "samples/2.jpg"
    found = read_samples(loaded)
    assert [image.shape for image in found] == [(640, 360, 3), (48, 64, 3), (640, 3, 3), (640, 480, 3)]
    for image in found:
        assert image.dtype == np.uint8 and image.flags.c_contiguous
    for image in (found[0], found[3]):
        assert np.abs(image[5, 5].astype(int) - (250, 40, 10)).max() < 8
        assert np.abs(image[-5, -5].astype(int) - (10, 40, 250)).max() < 8


def test_samples_come_in_the_order_of_their_numbers() -> None:
    roles = ["model", *(f"sample.{number}" for number in (10, 2, 1)), "sample.x", "sample.0", "sample"]
    assert sample_roles(roles) == ["sample.1", "sample.2", "sample.10"]


def test_engines_are_made_of_the_graph_and_the_samples(bundle: Path, tmp_path: Path) -> None:
    whole = load_bundle(bundle)
    write_bundle(tmp_path / "more", whole.manifest, whole.files | {"open_text": whole.model})
    found = load_with_samples(tmp_path / "more")
    assert found.files == whole.files and found.model == whole.model
    assert list(found.sample_files) == [f"sample.{number}" for number in range(1, 1 + len(SIZES))]
    assert found.sample_files.items() < found.files.items()
    assert not load_with_samples(tmp_path / "plain").sample_files


def test_a_robot_does_not_read_them(tmp_path: Path, paths: list[Path]) -> None:
    model = load_bundle(colour_bundle(tmp_path / "plain")).model
    write_bundle(tmp_path / "made", colour_manifest(), {"model": model} | sample_files(paths))
    sample = tmp_path / "made" / "samples" / "3.jpg"
    sample.write_bytes(sample.read_bytes()[:-1])
    assert list(load_bundle(tmp_path / "made", roles=("model",)).files) == ["model"]
    with pytest.raises(BundleError, match="samples/3.jpg was changed or damaged"):
        load_bundle(tmp_path / "made")
    sample.unlink()
    found = load_bundle(tmp_path / "made", roles=("model",))
    assert list(found.files) == ["model"]
    with pytest.raises(BundleError, match="samples/3.jpg is missing"):
        load_bundle(tmp_path / "made", roles=sample_roles(found.manifest.files))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-2], "samples/2.jpg of bundle .*made is cut short"),
        (lambda content: b"no picture", "samples/2.jpg of bundle .*made is not an image"),
        (lambda content: b"", "samples/2.jpg of bundle .*made is empty"),
    ],
)
def test_what_is_no_picture_is_named_though_its_hash_fits(
    tmp_path: Path, paths: list[Path], change: Callable[[bytes], bytes], message: str
) -> None:
    files = {"model": b"\x08\x05"} | sample_files(paths)
    files["sample.2"] = change(files["sample.2"])
    write_bundle(tmp_path / "made", colour_manifest(), files)
    with pytest.raises(BundleError, match=message):
        read_samples(load_bundle(tmp_path / "made"))


def test_a_bundle_without_samples_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="plain has no sample pictures: .*selcon export --samples"):
        read_samples(load_bundle(colour_bundle(tmp_path / "plain")))


def test_the_packaged_bundle_brings_eight() -> None:
    bundle = load_bundle(default_bundle_path())
    assert len(read_samples(bundle)) == 8
    assert sum(len(bundle.files[role]) for role in sample_roles(bundle.files)) < 1_000_000


def test_pictures_are_bounded_in_all(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "made", colour_manifest(), {"model": b"\x08\x05"} | sample_files(paths))
    images = read_samples(load_bundle(tmp_path / "made"))
    total = sum(image.shape[0] * image.shape[1] for image in images)
    monkeypatch.setattr(samples, "MAX_TOTAL_PIXELS", total)
    assert len(read_samples(load_bundle(tmp_path / "made"))) == len(images)
    monkeypatch.setattr(samples, "MAX_TOTAL_PIXELS", total - 1)
    with pytest.raises(BundleError, match="sample pictures of over .* million pixels in all"):
        read_samples(load_bundle(tmp_path / "made"))


def test_a_damaged_picture_is_not_taken(paths: list[Path]) -> None:
    paths[1].write_bytes(paths[1].read_bytes()[:-20])
    with pytest.raises(ImageError, match="1.png is cut short"):
        sample_files(paths)


def test_a_sample_may_lie_elsewhere(tmp_path: Path, paths: list[Path]) -> None:
    manifest = replace(colour_manifest(), files={"sample.1": BundleFile("pictures/mug.png")})
    write_bundle(tmp_path / "made", manifest, {"model": b"\x08\x05", "sample.1": paths[1].read_bytes()})
    (image,) = read_samples(load_bundle(tmp_path / "made"))
    assert (tmp_path / "made/pictures/mug.png").is_file() and tuple(image[0, 0]) == (250, 40, 10)
