"""Large arrays in memory that is used again: the system gives fresh memory page by page, which takes longer
than a heatmap's arithmetic."""

import weakref

import numpy as np
from numpy.typing import NDArray

# Bytes that are kept at most while nothing uses them: 27 heatmaps of 640 x 480.
MAX_KEPT_BYTES = 32 << 20


class ReusedMemory:
    """Memory for arrays of float32: a piece is used again when no array refers to it any more.

    All pieces that are kept have one size; one of another size replaces them. Threads may share it.
    """

    def __init__(self) -> None:
        self._free: list[NDArray[np.float32]] = []

    def array(self, height: int, width: int) -> NDArray[np.float32]:
        """Return an array [height, width] float32 whose values are undefined."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(height * width, np.float32)
        if len(memory) != height * width:
            self._free.clear()
            memory = np.empty(height * width, np.float32)
        # Whatever is made of the array without a copy refers to this one, because its own memory is foreign.
        owner: NDArray[np.float32] = np.frombuffer(memory.data, np.float32)
        weakref.finalize(owner, self._give_back, memory).atexit = False
        return owner.reshape(height, width)

    def _give_back(self, memory: NDArray[np.float32]) -> None:
        if (len(self._free) + 1) * memory.nbytes <= MAX_KEPT_BYTES:
            self._free.append(memory)
