"""CUDA by pycuda: a GPU's context, one stream, memory on both sides and recorded work.

Nothing else knows CUDA but torch and ONNX Runtime. pycuda is imported when a device is opened.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from numpy.typing import DTypeLike, NDArray

from selcon_ros.core.errors import BackendError, NotInstalledError, first_line

_CAPTURE_THREAD_LOCAL = 1
_NON_BLOCKING = 1


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name and compute capability ("9.0")."""

    name: str
    compute: str


def gpu(index: int = 0) -> Gpu:
    """Return what GPU number `index` is. Raises BackendError where there is none, or no pycuda."""
    return _find(index)[2]


def has_gpu() -> bool:
    """Whether the NVIDIA driver shows a GPU (pycuda is not needed to know that)."""
    try:
        cuda = _driver_library()
    except BackendError:
        return False
    count = ctypes.c_int(0)
    return cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


class Buffer:
    """Memory for one tensor on both sides: `host` [shape] is page-locked, `address` is the GPU's."""

    def __init__(self, host: NDArray[Any], device: Any) -> None:
        self.host, self.device = host, device

    @property
    def address(self) -> int:
        """Where the tensor is on the GPU."""
        return int(self.device)

    def free(self) -> None:
        """Give the memory back; `host` is gone then, whoever still holds it."""
        self.device.free()
        self.host.base.free()  # type: ignore[union-attr]
        del self.host


class CudaDevice:
    """A GPU's primary context and a stream of its own: use it within `with device.current():`.

    torch and other users of the GPU in this process share the context. Any thread may use it, one at a time.
    """

    def __init__(self, index: int = 0) -> None:
        """Open GPU number `index`. Raises BackendError where that fails."""
        self._driver, device, self.gpu = _find(index)
        self._stream: Any = None
        try:
            self._context = device.retain_primary_context()
        except self._driver.Error as error:
            raise self._fault(error) from error
        try:
            with self.current():
                # What others queue on the default stream is not waited for, nor does it break a recording.
                self._stream = self._driver.Stream(flags=_NON_BLOCKING)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context this thread's."""
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()
        except self._driver.Error as error:
            raise self._fault(error) from error

    @property
    def stream(self) -> int:
        """The stream's handle, for libraries that queue work on it."""
        return int(self._stream.handle)

    def buffer(self, shape: tuple[int, ...], kind: DTypeLike) -> Buffer:
        """Reserve memory. Raises BackendError, with how much is free, where it does not fit the GPU."""
        host = self._driver.pagelocked_empty(shape, kind)
        try:
            return Buffer(host, self._driver.mem_alloc(host.nbytes))
        except self._driver.MemoryError as error:
            host.base.free()
            free, whole = self._driver.mem_get_info()
            raise BackendError(
                f"{self.gpu.name} has no room for a tensor {shape}: {free / 2**20:.0f} of "
                f"{whole / 2**20:.0f} MiB are free; end other programs or use smaller batches"
            ) from error

    def upload(self, buffer: Buffer) -> None:
        """Queue the copy from the host to the GPU."""
        self._driver.memcpy_htod_async(buffer.device, buffer.host, self._stream)

    def download(self, buffer: Buffer) -> None:
        """Queue the copy from the GPU to the host."""
        self._driver.memcpy_dtoh_async(buffer.host, buffer.device, self._stream)

    def wait(self) -> None:
        """Wait until all that is queued is done."""
        self._stream.synchronize()

    def settle(self) -> None:
        """Wait before memory is given back: work that failed is over, too."""
        with suppress(self._driver.Error):
            self._stream.synchronize()

    def record(self, work: Callable[[], None]) -> CudaGraph:
        """Record what `work` queues, as a CUDA graph that can be launched again and again."""
        return CudaGraph(self.stream, work)

    def close(self) -> None:
        """Release the stream and the context."""
        try:
            self._context.push()
            self._stream = None
            # pycuda releases a context that is current, or was made by this thread, and believes that the
            # driver then takes it off this thread's stack: it does not do so for a primary context.
            _driver_library().cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
            self._context.detach()
        except self._driver.Error as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> BackendError:
        return BackendError(f"{self.gpu.name}: {first_line(error)}")


class CudaGraph:
    """Recorded work (a CUDA graph). pycuda does not know these calls of the driver."""

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        self._cuda = _driver_library()
        self._stream = ctypes.c_void_p(stream)
        graph, self._launchable = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_CAPTURE_THREAD_LOCAL))
        try:
            try:
                work()
            except BaseException:
                # Without a look at its status: that the recording is broken would hide why.
                self._cuda.cuStreamEndCapture(self._stream, ctypes.byref(graph))
                raise
            self._call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
            self._call(
                "cuGraphInstantiateWithFlags", ctypes.byref(self._launchable), graph, ctypes.c_ulonglong(0)
            )
        finally:
            if graph:
                self._cuda.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Queue the recorded work."""
        self._call("cuGraphLaunch", self._launchable, self._stream)

    def free(self) -> None:
        """Forget it."""
        self._cuda.cuGraphExecDestroy(self._launchable)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._cuda, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._cuda.cuGetErrorString(status, ctypes.byref(text))
            raise BackendError(f"{name} failed: {(text.value or b'').decode()} (error {status})")


def _driver_library() -> Any:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise NotInstalledError(f"no NVIDIA driver here ({first_line(error)})") from error


def _find(index: int) -> tuple[Any, Any, Gpu]:
    """Return pycuda, its device number `index` and what that is."""
    _driver_library()
    try:
        import pycuda.driver as driver
    except ImportError as error:
        raise NotInstalledError(
            f"pycuda is not usable ({first_line(error)}): pip install pycuda where CUDA's headers are"
        ) from error
    try:
        driver.init()
        count = driver.Device.count()
        if not 0 <= index < count:
            raise BackendError(f"no GPU number {index}: the driver shows {count}")
        device = driver.Device(index)
        major, minor = device.compute_capability()
        return driver, device, Gpu(device.name(), f"{major}.{minor}")
    except driver.Error as error:
        raise BackendError(f"the NVIDIA driver shows no GPU: {first_line(error)}") from error
