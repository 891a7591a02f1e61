import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.config import ConfigError, yaml_files
from selcon_training.config.yaml_files import MAX_NESTING, parse_yaml

TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def parsed(text: str | bytes):
    return parse_yaml(text if isinstance(text, bytes) else text.encode(), "a.yaml", ConfigError)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(TEXTS, VALUES))
def test_what_was_written_is_read(values):
    assert parsed(yaml.safe_dump(values)) == values


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_the_bytes_only_the_fault_comes_out(content):
    try:
        parsed(content)
    except ConfigError as error:
        assert str(error).startswith("a.yaml") and "\n" not in str(error) and len(str(error)) < 400


def test_aliases_merges_and_dates_are_read():
    text = "base: &b {x: 1, when: 2026-01-01}\nothers: [*b, *b]\nmine: {<<: *b, x: 2}\n"
    base = {"x": 1, "when": "2026-01-01"}
    assert parsed(text) == {"base": base, "others": [base, base], "mine": {**base, "x": 2}}
    assert parsed("\ufeffa: ä") == {"a": "ä"} and parsed("") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "expected ',' or ']'.*, line 1, column 6"),
        ("a: 1\na: 2", "line 2 gives the key 'a' a second time"),
        ("b: {a: 1, a: 2}", "line 1 gives the key 'a' a second time"),
        ("1: x", "line 1 has a key that is no text '1': write it in quotes"),
        ("on: x", "a key that is no text 'on': write it in quotes"),
        ("? [a]\n: x", "line 1 has a key that is no text$"),
        ("a: !!binary aGk=", "tags are not read, line 1 has tag:yaml.org,2002:binary"),
        ("a: !!python/object:os.system x", "tags are not read|could not determine a constructor"),
        ("a: .nan", "line 1 has .nan, which is no finite number"),
        ("a: -.inf", "no finite number"),
        ("a: 1.0e+999", "line 1 has 1.0e.999, which is no finite number"),
        ("a: " + "9" * 5000, "line 1 has a number of 5000 characters"),
        ("a: b\n--- \nc: d", "expected a single document|but found another document"),
        ("[" * MAX_NESTING + "]" * MAX_NESTING, None),
        ("[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1), f"nested more than {MAX_NESTING} deep"),
        ("[" * 20_000, f"nested more than {MAX_NESTING} deep|expected"),
        ("a: &a [*a]", "an alias .* lies in what it stands for"),
        (b"a: \xff", r"is not UTF-8 text \(byte 3\)"),
        ("a: 1".encode("utf-16"), "is not UTF-8 text"),
        ("a: \x00", "is not valid YAML"),
        ("#" * (yaml_files.MAX_FILE_BYTES + 1), "has 262145 bytes, more than the 262144 of a configuration"),
    ],
)
def test_each_fault_is_one_short_line(text, says):
    if says is None:
        parsed(text)
        return
    with pytest.raises(ConfigError, match=says) as caught:
        parsed(text)
    assert str(caught.value).startswith("a.yaml") and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_aliases_stand_for_is_counted(monkeypatch):
    """Before anything is made of it: by sequences as by merged mappings."""
    lists = "a: &a [1, 2, 3]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n"
    merged = "a: &a {x: 1, y: 2}\nb: &b {<<: [*a, *a, *a]}\nc: {<<: [*b, *b, *b]}\n"
    for text in (lists, merged):
        parsed(text)
        monkeypatch.setattr(yaml_files, "MAX_VALUES", 40)
        with pytest.raises(ConfigError, match="it stands for over 40 values"):
            parsed(text)
        monkeypatch.undo()
