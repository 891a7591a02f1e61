"""Damage to a file: to its bytes, with knowledge of its kind, or something else under its name."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fuzzing.report import choose

Random = np.random.Generator
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    -(2**63),
    10**40,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    0.5,
    "",
    " ",
    "0",
    "-1",
    "nan",
    "x" * 3000,
    "\x1b[31m",
    "a\nb",
    "../../x",
    "/etc/hostname",
    "ü日本",
    "\ud800",
    [],
    {},
    [[]],
    [None],
    {"": ""},
    [1, 2, 3],
    ["a"] * 50,
    {"a": {"b": 1}},
    list(range(200)),
]
PLACES = ("empty", "folder", "fifo", "loop", "nowhere", "device", "socket", "unreadable", "sparse")
SPARSE_BYTES = 3 << 30
"""Bytes that a file without content claims to have."""


def damage(random: Random, data: bytes) -> bytes:
    """Bytes with some flipped, cut off, doubled, moved, zeroed or added."""
    if not data:
        return random.bytes(20)
    at, other = (int(each) for each in np.sort(random.integers(0, len(data) + 1, 2)))
    kinds = ("bits", "cut", "head", "tail", "double", "zero", "random", "empty")
    match choose(random, dict(zip(kinds, (4, 3, 1, 2, 1, 1, 1, 0.3), strict=True))):
        case "bits":
            changed = bytearray(data)
            for place in random.integers(0, len(data), int(random.choice([1, 2, 8, 64]))):
                changed[place] ^= 1 << int(random.integers(8))
            return bytes(changed)
        case "cut":
            return data[:at]
        case "head":
            return data[at:]
        case "tail":
            return data + random.bytes(int(random.integers(1, 300)))
        case "double":
            return data[:other] + data[at:]
        case "zero":
            return data[:at] + bytes(other - at) + data[other:]
        case "random":
            return data[:at] + random.bytes(other - at) + data[other:]
    return b""


def mutated(random: Random, value: Any) -> Any:
    """A tree of dicts, lists and values with one place changed, removed, doubled or renamed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = list(value)[int(random.integers(len(value)))]
        match choose(random, {"deeper": 6, "drop": 1, "rename": 1, "add": 0.5}):
            case "drop":
                return {name: each for name, each in value.items() if name != key}
            case "rename":
                return {(f"{name}_" if name == key else name): each for name, each in value.items()}
            case "add":
                return {**value, str(odd(random)): odd(random)}
        return {**value, key: mutated(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.7:
        at = int(random.integers(len(value)))
        match choose(random, {"deeper": 4, "drop": 1, "double": 1}):
            case "drop":
                return value[:at] + value[at + 1 :]
            case "double":
                return value + value[at:]
        return [*value[:at], mutated(random, value[at]), *value[at + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and random.random() < 0.4:
        return [value + 1, -value, value * 1000, value / 3, str(value)][int(random.integers(5))]
    return odd(random)


def odd(random: Random) -> Any:
    """A value that is not expected."""
    return VALUES[int(random.integers(len(VALUES)))]


def in_json(random: Random, data: bytes) -> bytes:
    """A JSON text with another value somewhere, or written in a way that JSON does not have."""
    text = json.dumps(mutated(random, json.loads(data))).encode()
    match choose(random, {"plain": 12, "deep": 0.5, "twice": 0.5, "bom": 0.5, "utf16": 0.5, "long": 0.3}):
        case "deep":
            return b"[" * 5000 + b"]" * 5000
        case "twice":
            return text + text
        case "bom":
            return b"\xef\xbb\xbf" + text
        case "utf16":
            return text.decode().encode("utf-16")
        case "long":
            return text[:-1] + b" " * 2_000_000 + text[-1:]
    return text


def in_lines(random: Random, data: bytes) -> bytes:
    """Lines of JSON, one of them with another value."""
    lines = data.splitlines()
    at = int(random.integers(len(lines)))
    lines[at] = in_json(random, lines[at])
    return b"\n".join(lines) + b"\n"


def in_yaml(random: Random, data: bytes) -> bytes:
    """A YAML text with another value somewhere, or with what only YAML has."""
    # As JSON and back: a surrogate alone cannot be written in YAML.
    tree = json.loads(json.dumps(mutated(random, yaml.safe_load(data))).encode("utf-8", "replace").decode())
    with warnings.catch_warnings():
        dumped: str = yaml.safe_dump(tree, allow_unicode=bool(random.random() < 0.5))
    extras = [
        b"",
        b"",
        b"",
        b"",
        b"\t x: 1\n",
        b"? [a]\n: 1\n",
        b"name: !!binary x\n",
        b"when: 2020-01-01\n",
        b"name: !!python/name:os.getcwd\n",
        b"<<: {name: x}\n",
        b"---\nname: second\n",
        b"on: off\n",
        b"x: &a [*a]\n",
        b"name: first\nname: second\n",
        b"\x00",
        b"data: {root: *nobody}\n",
    ]
    return dumped.encode("utf-8", "replace") + extras[int(random.integers(len(extras)))]


def in_zip(random: Random, data: bytes) -> bytes:
    """An archive with other entries: renamed, doubled, damaged, left out, of other kinds."""
    source = zipfile.ZipFile(io.BytesIO(data))
    entries = [(info, source.read(info)) for info in source.infolist()]
    at = int(random.integers(len(entries)))
    info, content = entries[at]
    kind = choose(
        random, dict.fromkeys(("drop", "twice", "name", "content", "stored", "link", "large", "folder"), 1.0)
    )
    if kind == "drop":
        del entries[at]
    elif kind == "twice":
        entries.append((info, damage(random, content)))
    elif kind == "content":
        entries[at] = (info, damage(random, content))
    elif kind == "large":
        entries[at] = (info, content + bytes(60_000_000))
    elif kind == "name":
        names = [
            "../x",
            "/x",
            "a/../b",
            "\\x",
            "x" * 300,
            "manifest.json/",
            "./manifest.json",
            "MANIFEST.JSON",
        ]
        entries.append((zipfile.ZipInfo(str(random.choice(names))), content))
    elif kind == "folder":
        entries = [(zipfile.ZipInfo(f"deep/er/{each.filename}"), inside) for each, inside in entries]
    elif kind == "link":
        link = zipfile.ZipInfo(info.filename)
        link.external_attr = 0o120777 << 16
        entries[at] = (link, b"/etc/hostname")
    out = io.BytesIO()
    how = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", how) as archive:
        warnings.simplefilter("ignore")
        for entry, inside in entries:
            archive.writestr(entry.filename if kind != "link" else entry, inside, compress_type=how)
    return out.getvalue()


def in_safetensors(random: Random, data: bytes) -> bytes:
    """A safetensors file whose header says something else."""
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    text = json.dumps(mutated(random, header)).encode("utf-8", "replace")
    if random.random() < 0.2:
        return struct.pack("<Q", int(random.choice([0, 1, 2**20, 2**40, 2**63]))) + text + body
    return struct.pack("<Q", len(text)) + text + body


def in_png(random: Random, data: bytes) -> bytes:
    """A PNG whose header says another size, depth or kind of colours, with the right check sum."""
    header = bytearray(data[16:29])
    place = int(random.integers(len(header)))
    header[place] = int(random.integers(256))
    check = struct.pack(">I", zlib.crc32(b"IHDR" + bytes(header)))
    return data[:16] + bytes(header) + check + data[33:]


BY_ENDING: dict[str, Callable[[Random, bytes], bytes]] = {
    ".json": in_json,
    ".jsonl": in_lines,
    ".yaml": in_yaml,
    ".zip": in_zip,
    ".safetensors": in_safetensors,
    ".png": in_png,
    ".pth": in_zip,
    ".pt": in_zip,
    ".yml": in_yaml,
}


def spoil(random: Random, path: Path) -> str:
    """Damage a file, or put something else in its place; returns what was done."""
    kind = choose(random, {"bytes": 5, "known": 4, "place": 1})
    if kind == "place":
        place = str(random.choice(PLACES))
        put(place, path)
        return place
    data = path.read_bytes()
    mutate = BY_ENDING.get(path.suffix, damage) if kind == "known" else damage
    try:
        changed = mutate(random, data)
    except (ValueError, KeyError, IndexError, zipfile.BadZipFile, yaml.YAMLError):
        # The file is of another kind than its name says.
        mutate, changed = damage, damage(random, data)
    path.write_bytes(changed)
    return mutate.__name__


def put(place: str, path: Path) -> None:
    """Put something other than a file of its kind under the name `path`."""
    path.unlink()
    match place:
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path.name)
        case "nowhere":
            path.symlink_to("nothing there")
        case "device":
            path.symlink_to("/dev/zero")
        case "socket":
            here = os.getcwd()
            os.chdir(path.parent)  # the name of a socket is short
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name[:100])
            os.chdir(here)
        case "unreadable":
            path.touch(0o000)
        case "sparse":
            with path.open("wb") as file:
                file.truncate(SPARSE_BYTES)
