"""The file that keeps what was measured on a CPU."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import EngineError
from selcon_ros.engines.choice_record import CHOICE_SUFFIX, ChoiceKey, ChoiceRecord, read_choice, write_choice
from selcon_ros.engines.cpu_choice import open_fastest
from support.bundles import colour_bundle, with_int8
from support.choices import kept, times_of

ONE = CpuOptions(threads=1)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return with_int8(colour_bundle(tmp_path / "colours", (64, 96)))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "engines"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not valid JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[]", "must hold an object"),
        (b"{}", "is no record of ours"),
        (b'{"key": {}, "times": {}, "measured": ""}', "is no record of ours"),
        ("other key", "was measured of another graph or processor"),
        ("no int8", "must be numbers from zero of fp32, int8"),
        ("below", "must be numbers from zero"),
        ("text", "shares is not what it must be"),
        ("reference", "there must be times of another and of what may be chosen"),
        ("nothing left", "there must be times of fp32 and of what may be chosen"),
        ("foreign", "must be numbers from zero of fp32, int8"),
    ],
)
def test_a_damaged_record_is_told_and_measured_again(
    bundle: Path, cache: Path, content: bytes | str, said: str
) -> None:
    open_fastest(bundle, ONE, cache)
    file = kept(cache)
    record = json.loads(file.read_text())
    if content == "other key":
        record["key"]["cores"] += 1
    elif content == "reference":
        record["times"]["reference"] = "another"
    elif content in ("nothing left", "foreign"):
        out = ("fp32", "int8") if content == "nothing left" else ("another",)
        record["left_out"] = dict.fromkeys(out, "for no reason")
    elif isinstance(content, str):
        record["times"]["shares"] = {
            "no int8": {"fp32": 1.0},
            "below": {"fp32": 1.0, "int8": -1.0},
            "text": {"fp32": 1.0, "int8": "fast"},
        }[content]
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(record).encode())
    why = open_fastest(bundle, ONE, cache).choice.why
    assert f"measured now; again, for {file}" in why and said in why and f"; kept in {file}" in why
    assert "measured now" not in open_fastest(bundle, ONE, cache).choice.why


def test_a_record_is_of_its_key(tmp_path: Path) -> None:
    key = ChoiceKey({"fp32": "a", "int8": "b"}, "cpu", "0", 2, 0, False, {"onnxruntime": "1.32.0"}, "0.1.0")
    file = key.path(tmp_path, "name/of a bundle")
    assert file.parent == tmp_path and file.name == f"name_of_a_bundle-cpu-{key.digest}{CHOICE_SUFFIX}"
    record = ChoiceRecord.of(key, times_of(fp32=1.0, int8=0.5), {})
    write_choice(file, record)
    assert read_choice(file, key) == record
    with pytest.raises(EngineError, match="another graph or processor"):
        read_choice(file, replace(key, cores=4))


def test_what_was_left_out_need_not_have_been_timed(tmp_path: Path) -> None:
    graphs = {"fp32": "a", "openvino fp32": "a", "openvino bf16": "a"}
    key = ChoiceKey(
        graphs, "cpu", "0", 2, 0, False, {"onnxruntime": "1.32.0", "openvino": "2026.4.1"}, "0.1.0"
    )
    times = times_of(fp32=1.0, openvino_fp32=0.5)
    record = ChoiceRecord.of(key, times, {"openvino bf16": "this processor has none"})
    write_choice(tmp_path / "file", record)
    assert read_choice(tmp_path / "file", key) == record
    write_choice(tmp_path / "file", replace(record, left_out={}))
    with pytest.raises(EngineError, match="of fp32, openvino fp32, openvino bf16"):
        read_choice(tmp_path / "file", key)
