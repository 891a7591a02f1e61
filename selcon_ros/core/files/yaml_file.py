"""YAML that others wrote: parsed within bounds, with one short message for whatever is wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.text import one_line


def parse_object(content: bytes, name: str | Path, fault: type[SelconError]) -> dict[str, Any]:
    """Return the mapping that a YAML file's first document holds; `name` is the file's in messages.

    It must be UTF-8 (a byte order mark may lead). What reads as a number becomes a float, all else text;
    tags do not count, and OpenCV's first line is taken, too. Anchors' aliases are refused: a short file
    could stand for endless data. Raises `fault`.
    """
    try:
        import yaml
    except ImportError:
        raise fault(
            f"{name} is YAML, which PyYAML reads: pip install pyyaml, or apt install python3-yaml"
        ) from None

    # BaseLoader makes nothing but texts, lists and mappings, whatever the file says.
    class Loader(yaml.BaseLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it has aliases (*), which are not read")
            return super().compose_node(parent, index)

    with yaml_faults(name, fault):
        text = content.decode("utf-8-sig")
        if text.startswith("%YAML:"):
            text = text.partition("\n")[2]
        value = next((each for each in yaml.load_all(text, Loader) if each not in ("", None)), None)
        typed = _typed(value)
    if not isinstance(typed, dict):
        raise fault(f"{name} must hold a mapping of YAML: names with values")
    return typed


@contextmanager
def yaml_faults(name: str | Path, fault: type[SelconError]) -> Iterator[None]:
    """Raise `fault`, naming the file `name` and the place in it, for what decoding and parsing raise."""
    import yaml

    try:
        yield
    except UnicodeDecodeError as error:
        raise fault(f"{name} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise fault(f"{name} is not valid YAML: {one_line(str(error.problem), 200)}{place}") from None
    except RecursionError:
        raise fault(f"{name} is not valid YAML: nested too deep") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # TypeError: a key that is a list
        raise fault(f"{name} is not valid YAML: {first_line(error)}") from None


def _typed(value: Any) -> Any:
    """Return a value with its numbers as floats (YAML 1.1 takes 1e-05 for text, and programs write it)."""
    if isinstance(value, dict):
        return {key: _typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_typed(each) for each in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
