"""What an ONNX file may not have, found without a library for it: weights in other files, and operators of
others.

An engine would open the other files wherever their names lead, and no hash of a bundle covers them. Source:
onnx.proto3 and the encoding of Protocol Buffers.
"""

from collections.abc import Iterator

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import one_line, quoted

MAX_FIELDS = 3_000_000
"""Of one file: some seconds of work."""
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Sets of operators that ONNX Runtime has."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1  # TensorProto.DataLocation

# Per message: the numbers of the fields that lead on, and the message that each holds.
_SUBMESSAGES = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}  # fmt: skip
_NAME_FIELDS, _DOMAIN_FIELDS = {"Node": 4, "Function": 1, "Tensor": 8}, {"Node": 7, "Function": 10}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
Field = tuple[int, int, int | memoryview]


class _DamagedError(Exception):
    """The content is no message of Protocol Buffers."""


def check_onnx(content: bytes, name: str, fault: type[SelconError]) -> None:
    """Raise `fault`, naming the file `name`, for an ONNX file that is damaged, keeps weights in other
    files, or has operators of other sets than DOMAINS that it does not define itself."""
    foreign: dict[tuple[str, str], None] = {}
    defined: set[tuple[str, str]] = set()
    left = MAX_FIELDS
    waiting = [("Model", memoryview(content))]
    try:
        while waiting:
            kind, message = waiting.pop()
            inside = _SUBMESSAGES[kind]
            texts = {}
            for number, wire, value in _fields(message):
                left -= 1
                if left < 0:
                    raise fault(f"{name} has over {MAX_FIELDS:,} entries: it is no network that can be run")
                if kind == "Tensor" and _elsewhere(number, value):
                    raise _external(name, message, fault)
                if wire == _BYTES and isinstance(value, memoryview):
                    if number in inside:
                        waiting.append((inside[number], value))
                    elif number in (_NAME_FIELDS.get(kind), _DOMAIN_FIELDS.get(kind)):
                        texts[number] = _text(value)
            if kind in _DOMAIN_FIELDS:
                operator = texts.get(_DOMAIN_FIELDS[kind], ""), texts.get(_NAME_FIELDS[kind], "")
                if kind == "Function":
                    defined.add(operator)
                elif operator[0] not in DOMAINS:
                    foreign[operator] = None
    except _DamagedError:
        raise fault(f"{name} is no ONNX file, or it is damaged: export it again") from None
    missing = [operator for operator in foreign if operator not in defined]
    if missing:
        shown = one_line(", ".join(f"{domain}.{kind}" for domain, kind in missing[:3]), 200)
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise fault(f"{name} has operators that are not ONNX's: {shown}{more}; export it without them")


def _elsewhere(number: int, value: int | memoryview) -> bool:
    """Whether a field of a Tensor says that its values are in another file."""
    if number == _DATA_LOCATION and isinstance(value, int):
        return value & 0xFFFFFFFF == _EXTERNAL  # an enumeration has 32 bits, whatever was written
    return number == _EXTERNAL_DATA


def _external(name: str, tensor: memoryview, fault: type[SelconError]) -> SelconError:
    named = [
        _text(value)
        for number, _, value in _fields(tensor)
        if number == _NAME_FIELDS["Tensor"] and isinstance(value, memoryview)
    ]
    weight = f"the weight {quoted(named[-1], 200)}" if named else "a weight"
    return fault(f"{name} keeps {weight} in another file: export it with all weights inside")


def _text(value: memoryview) -> str:
    return bytes(value[:200]).decode(errors="backslashreplace")


def _fields(message: memoryview) -> Iterator[Field]:
    """The number, wire type and value of each field of a message."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if number == 0 or tag >= 1 << 32:
            raise _DamagedError
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise _DamagedError
        if at + size > end:
            raise _DamagedError
        yield number, wire, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number of up to 64 bits and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _DamagedError
