"""Engines are kept whole or not at all, and found only where all is as it was."""

import json
import os
import resource
import signal
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.errors import BackendError
from selcon_ros.engines.cache import Cache, CachedEngine
from support.engines import AGREEMENT, KEY, RECORD
from support.processes import exit_code, in_a_process

OTHER = {
    "model": "another", "graph": 2, "kind": "tensorrt", "version": "1.5", "gpu": "RTX 3060",
    "compute": ("8.6", "12.0"), "precision": "fp32", "batch": (1, 2, 4), "camera": (480, 641),
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "engines")


@pytest.fixture
def entry(cache: Cache) -> CachedEngine:
    return cache.add(RECORD, b"engine" * 100)


def names(cache: Cache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir()) if cache.folder.is_dir() else []


def test_every_field_makes_another_key(cache: Cache, entry: CachedEngine) -> None:
    assert set(OTHER) == {field.name for field in fields(KEY)}
    keys = [KEY, *(replace(KEY, **{name: value}) for name, value in OTHER.items())]
    assert len({key.digest for key in keys}) == len(keys)
    assert [cache.find(key) is not None for key in keys] == [True] + [False] * len(OTHER)


def test_what_is_added_is_found_again(cache: Cache, entry: CachedEngine) -> None:
    assert cache.find(KEY) == entry
    assert entry.content() == b"engine" * 100
    assert (entry.record.bytes, entry.path.suffix) == (600, ".engine")
    assert cache.damaged() == []


def test_another_user_may_read_it(entry: CachedEngine) -> None:
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in entry.paths)


def test_the_newest_comes_first(cache: Cache, entry: CachedEngine) -> None:
    later = replace(RECORD, key=replace(KEY, precision="fp32"), created="2026-02-01T00:00:00+00:00")
    newest = cache.add(later, b"x")
    assert cache.entries() == [newest, entry]


def test_adding_again_replaces(cache: Cache, entry: CachedEngine) -> None:
    cache.add(RECORD, b"other")
    assert [each.content() for each in cache.entries()] == [b"other"]
    assert len(names(cache)) == 2


def test_updating_keeps_the_engine(cache: Cache, entry: CachedEngine) -> None:
    cache.update(replace(entry, record=replace(entry.record, agreement=AGREEMENT)))
    found = cache.find(KEY)
    assert found is not None and found.record.agreement == AGREEMENT
    assert found.content() == b"engine" * 100


def test_removing_leaves_nothing(cache: Cache, entry: CachedEngine) -> None:
    cache.remove(entry)
    cache.remove(entry)
    assert names(cache) == [] and cache.find(KEY) is None


@pytest.mark.parametrize("bundle", ["../up", "a/b", "ä" * 300, ".", ""])
def test_any_bundle_name_makes_a_file_name(cache: Cache, bundle: str) -> None:
    entry = cache.add(replace(RECORD, bundle=bundle), b"x")
    assert entry.path.parent == cache.folder and cache.find(KEY) == entry


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"engine" * 99, "was changed or cut short: its SHA-256 is .*; build it again"),
        (b"Engine" + b"engine" * 99, "was changed or cut short"),
        (b"", "was changed or cut short"),
    ],
)
def test_a_changed_engine_is_named(entry: CachedEngine, content: bytes, message: str) -> None:
    entry.path.write_bytes(content)
    with pytest.raises(BackendError, match=message) as caught:
        entry.content()
    assert str(entry.path) in str(caught.value)


def test_an_engine_that_is_gone_is_named(entry: CachedEngine) -> None:
    entry.path.unlink()
    with pytest.raises(BackendError, match="cannot read .*: No such file"):
        entry.content()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"key": 3}', b'{"key": {}}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_damaged_record_is_no_entry(cache: Cache, entry: CachedEngine, content: bytes) -> None:
    entry.paths[0].write_bytes(content)
    assert cache.entries() == []
    assert cache.damaged() == sorted(entry.paths)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bundle", 7),
        ("bytes", "many"),
        ("bytes", True),
        ("bytes", None),
        ("seconds", [1]),
        ("created", None),
        ("layers", {"half": "3"}),
        ("layers", []),
        ("kept", "name"),
        ("kept", [1]),
        ("agreement", {}),
        ("agreement", {"kld_mean": 0.1}),
        ("agreement", {**AGREEMENT, "worst": ["hold"]}),
        ("agreement", {**AGREEMENT, "kld_mean": "small"}),
        ("agreement_of_graph", None),
        ("key", {**asdict(KEY), "batch": [1, 1]}),
        ("key", {**asdict(KEY), "compute": [8.6]}),
        ("key", {**asdict(KEY), "kind": ["tensorrt"]}),
        ("key", {**asdict(KEY), "graph": 1.5}),
    ],
)
def test_a_record_with_a_value_of_another_type_is_no_entry_and_cleaned_away(
    cache: Cache, entry: CachedEngine, name: str, value: object
) -> None:
    values = json.loads(entry.paths[0].read_text())
    assert name in values and values[name] != value
    entry.paths[0].write_text(json.dumps({**values, name: value}))
    assert cache.entries() == [] and cache.find(KEY) is None
    for command in (["list"], ["list", "--json"]):
        listed = CliRunner().invoke(main, ["engine", *command, "--cache", str(cache.folder)])
        assert listed.exit_code == 0 and entry.path.name in listed.output
    cleaned = CliRunner().invoke(main, ["engine", "clean", "--yes", "--cache", str(cache.folder)])
    assert cleaned.exit_code == 0 and names(cache) == []


def test_what_is_no_plain_file_is_no_entry(cache: Cache, entry: CachedEngine) -> None:
    for path in entry.paths:
        path.unlink()
        os.mkfifo(path)
        assert cache.entries() == []
        assert path in cache.damaged()
    cache.delete(cache.damaged())
    (cache.folder / "folder.engine").mkdir()
    (cache.folder / "circle.json").symlink_to("circle.json")
    assert cache.entries() == [] and cache.damaged() == [cache.folder / "circle.json"]


def test_an_engine_that_has_grown_is_not_read_whole(entry: CachedEngine) -> None:
    with entry.path.open("ab") as file:
        file.truncate(1 << 40)  # takes no room: nothing is written
    with pytest.raises(BackendError, match="more than"):
        entry.content()


def test_a_record_of_another_version_is_no_entry(cache: Cache, entry: CachedEngine) -> None:
    values = json.loads(entry.paths[0].read_text())
    entry.paths[0].write_text(json.dumps(values | {"more": 1}))
    assert cache.entries() == []


@pytest.mark.parametrize("gone", [0, 1])
def test_one_file_without_the_other_is_no_entry(cache: Cache, entry: CachedEngine, gone: int) -> None:
    entry.paths[gone].unlink()
    assert cache.entries() == [] and cache.damaged() == [entry.paths[1 - gone]]


def test_unfinished_writes_are_no_entries(cache: Cache, entry: CachedEngine) -> None:
    left = cache.folder / "tmp1.part"
    left.write_bytes(b"half")
    assert cache.entries() == [entry] and cache.damaged() == [left]


def test_a_file_in_the_folder_s_place(tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("a file")
    cache = Cache(tmp_path / "engines")
    for attempt in (lambda: cache.add(RECORD, b"x"), lambda: cache.lock(KEY, lambda: None).__enter__()):
        says = "cannot write to the engine cache .*: (File exists|Not a directory); make"
        with pytest.raises(BackendError, match=says):
            attempt()
    assert cache.entries() == [] == cache.damaged()


@pytest.mark.parametrize(("size", "limit"), [(100_000, 10_000), (10, 300)], ids=["engine", "record"])
@pytest.mark.parametrize("old", [False, True])
def test_a_full_disk_leaves_nothing_half_written(
    cache: Cache, tmp_path: Path, size: int, limit: int, old: bool
) -> None:
    """A limit on the size of files stands in for it: writing fails in the same place."""
    if old:
        cache.add(RECORD, b"old")

    def add() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(BackendError, match="cannot write to the engine cache .*: File too large"):
            cache.add(RECORD, b"x" * size)

    assert exit_code(in_a_process(add)) == 0
    assert [entry.content() for entry in cache.entries()] == ([b"old"] if old else [])
    assert len(names(cache)) == (2 if old else 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(cache: Cache) -> None:
    cache.folder.mkdir()
    cache.folder.chmod(0o500)
    with pytest.raises(BackendError, match="Permission denied; make room or give another folder"):
        cache.add(RECORD, b"x")


def test_libraries_keep_their_timings(cache: Cache) -> None:
    assert cache.read("a.timings") == b""
    cache.write("a.timings", b"1")
    assert cache.read("a.timings") == b"1"
    assert [path.name for path in cache.timings()] == ["a.timings"] and cache.damaged() == []


def test_who_builds_is_seen(cache: Cache) -> None:
    assert not cache.building()
    with cache.lock(KEY, lambda: None):
        assert cache.building()
    assert not cache.building()


def test_times_of_a_cpu_are_no_engines_and_cleaned_away_on_request(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for options, left in ((["--stale"], []), (["--all"], []), ([], ["tiny-cpu-0.choice"])):
        cache.write("tiny-cpu-0.choice", b"{}")
        assert cache.entries() == [] == cache.damaged()
        done = CliRunner().invoke(main, ["engine", "clean", *options, "--yes", "--cache", str(tmp_path)])
        assert done.exit_code == 0 and names(cache) == left
