"""Pictures that do not fit into the memory are refused before they are decoded."""

import pytest

from selcon_training.data import memory
from selcon_training.errors import DataError


def test_what_does_not_fit_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2_000_000_000)
    memory.check_room(1_800_000_000, 9000, (224, 224))
    with pytest.raises(DataError, match=r"9000 pictures of 224 x 224 take 1\.9 GB, and 2\.0 GB .*cache_size"):
        memory.check_room(1_900_000_000, 9000, (224, 224))


def test_where_the_system_does_not_say_all_is_tried(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    memory.check_room(1 << 60, 9000, (224, 224))
