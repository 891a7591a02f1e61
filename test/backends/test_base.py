"""What backends share: the shapes that stay cached."""

import weakref

import pytest

from selcon_ros.backends.base import MAX_CACHED_SHAPES, ShapeCache


class Memory:
    pass


def test_the_shape_used_longest_ago_gives_way() -> None:
    cache: ShapeCache[Memory] = ShapeCache()
    made = [cache.get_or_make((side,), Memory) for side in range(MAX_CACHED_SHAPES)]
    assert cache.get_or_make((0,), Memory) is made[0]
    cache.get_or_make((99,), Memory)
    assert (0,) in cache and (1,) not in cache and len(cache) == MAX_CACHED_SHAPES


def test_it_is_freed_and_gone_before_another_takes_its_memory() -> None:
    cache: ShapeCache[Memory] = ShapeCache()
    oldest = weakref.ref(cache.get_or_make((0,), Memory))
    freed: list[bool] = []

    def make() -> Memory:
        assert oldest() is None and freed == [True]
        return Memory()

    for side in range(1, MAX_CACHED_SHAPES):
        cache.get_or_make((side,), Memory)
    cache.get_or_make((99,), make, free=lambda memory: freed.append(memory is oldest()))
    assert (99,) in cache


def test_what_cannot_be_made_is_not_kept() -> None:
    cache: ShapeCache[Memory] = ShapeCache()

    def fail() -> Memory:
        raise MemoryError

    with pytest.raises(MemoryError):
        cache.get_or_make((1,), fail)
    assert not cache
