import numpy as np

from selcon_ros.core.grounding.heatmap import upsample
from selcon_ros.core.machine.reused_memory import MAX_KEPT_BYTES, ReusedMemory


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def test_memory_is_used_again_when_nothing_refers_to_it() -> None:
    memory = ReusedMemory()
    first = memory.array(6, 8)
    first[:] = np.arange(48).reshape(6, 8)
    where, row = address(first), first[2]
    for keep in (memoryview(row), np.asarray(row).reshape(2, 4).T, row[::-1]):
        first = row = None
        second = memory.array(6, 8)
        second[:] = 0
        assert address(second) != where and np.ravel(keep).max() == 23, "a part of the first is still in use"
        row, second = np.asarray(keep), None
    row = keep = None
    assert where in [address(each) for each in [memory.array(6, 8) for _ in range(3)]]


def test_pieces_that_are_kept_are_few_and_of_one_size() -> None:
    memory = ReusedMemory()
    arrays = [memory.array(1000, 1000) for _ in range(MAX_KEPT_BYTES // 4_000_000 + 3)]
    del arrays
    assert len(memory._free) == MAX_KEPT_BYTES // 4_000_000
    assert memory.array(4, 6).shape == (4, 6) and not memory._free[:-1]
    large = memory.array(4000, 4000)
    del large
    assert not memory._free


def test_heatmaps_do_not_change_when_others_are_made() -> None:
    random = np.random.default_rng(0)
    kept, copies = [], []
    for _ in range(40):
        heat = upsample(random.random((6, 8), np.float32), 48, 64)
        if random.random() < 0.5:
            kept.append(heat[3:9])
            copies.append(heat[3:9].copy())
        del heat
    for heat, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(heat, copy)
