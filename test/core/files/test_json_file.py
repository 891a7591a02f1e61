import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.errors import BundleError
from selcon_ros.core.files.json_file import MAX_NESTING, parse_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(), VALUES), st.booleans())
def test_what_was_written_is_read(record: dict[str, object], marked: bool) -> None:
    content = json.dumps(record).encode("utf-8-sig" if marked else "utf-8")
    assert parse_object(content, "x.json", BundleError) == record


@settings(deadline=None, max_examples=50)
@given(st.binary())
def test_whatever_the_bytes_only_the_fault_comes_out(content: bytes) -> None:
    try:
        parse_object(content, "x.json", BundleError)
    except BundleError as error:
        assert str(error).startswith("x.json") and "\n" not in str(error) and len(str(error)) < 200


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not valid JSON: Expecting value, line 1, column 1"),
        (b'{\n"a": }', "Expecting value, line 2, column 6"),
        (b'{"a": 1} {}', "Extra data"),
        (b"[1]", "must hold an object of JSON, not a list"),
        (b'"text"', "must hold an object of JSON, not 'text'"),
        (b'{"a": "\xff"}', r"is not UTF-8 text \(byte 7\): save it as UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8 text"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"a": 1e999}', "the number '1e999' is too large"),
        (b'{"a": -' + b"9" * 10_000 + b"}", "a whole number of 10000 digits, at most 18 are read"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "the key 'b' is given twice"),
        (b'{"a": ["\\ud800"]}', r"the text '\\ud800' holds half a surrogate pair"),
        (b'{"\\udc00": 1}', "holds half a surrogate pair"),
        (b'{"a": ' + b"[" * MAX_NESTING + b"]" * MAX_NESTING + b"}", f"nested more than {MAX_NESTING} deep"),
        (b'{"a": ' * 100_000, f"nested more than {MAX_NESTING} deep"),
    ],
)
def test_each_fault_is_one_short_line(content: bytes, says: str) -> None:
    with pytest.raises(BundleError, match=says) as caught:
        parse_object(content, "x.json", BundleError)
    assert str(caught.value).startswith("x.json") and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 120


def test_nesting_up_to_the_bound_is_read() -> None:
    depth = MAX_NESTING - 1
    found = parse_object(b'{"a": ' + b"[" * depth + b"1" + b"]" * depth + b"}", "x.json", BundleError)
    assert str(found) == "{'a': " + "[" * depth + "1" + "]" * depth + "}"
