"""The threads of a model: one opens it, grounds one image after another and closes it, one makes results."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rclpy.node import Node

from selcon_ros.core.errors import ImageError, SelconError
from selcon_ros.model import Model
from selcon_ros.ros import diagnostics
from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.message_buffers import LatestSlot
from selcon_ros.ros.model_loader import ModelLoader
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.pipeline import Pipeline

CLOSE_SECONDS = 4.0
"""How long the end waits for both threads: for an image, or for a model that is being opened."""


class Worker:
    """Runs while the node has a model. A GPU's context belongs to the thread that opens the model."""

    def __init__(
        self,
        node: Node,
        health: diagnostics.Health,
        images: LatestSlot[Any],
        pipeline: Pipeline,
        loader: ModelLoader,
        settings: Callable[[], Settings],
    ) -> None:
        """Begin to open the model."""
        self._node, self._health, self._images = node, health, images
        self._pipeline, self._loader, self._settings = pipeline, loader, settings
        images.open()
        pipeline.between.open()
        self._thread = threading.Thread(target=self._work, name="grounding", daemon=True)
        self._thread.start()

    def end(self) -> bool:
        """End after the present images, and close the model.

        Returns whether both threads have ended: False if one is still in a call after `CLOSE_SECONDS`.
        """
        self._loader.close()
        self._images.close()
        self._pipeline.between.close()
        self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            model = self._loader.open()
            if model is None:
                return
            with self._making_results(), model:
                for failure in model.failures:
                    self._health.problem("backend", failure)
                if self._settings().image_transport == "raw":
                    self._pipeline.grounding.reader.prepare()
                self._ground_all(model)
        except Exception as error:  # without a worker the node is of no use
            self._loader.fail(error)
        finally:
            self._pipeline.grounding.forget()

    @contextmanager
    def _making_results(self) -> Iterator[None]:
        """Within this the second thread runs. Started by the first, it keeps to the same cores."""
        thread = threading.Thread(target=self._make_results, name="results", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._pipeline.between.close()
            thread.join()

    def _ground_all(self, model: Model) -> None:
        while (received := self._images.take()) is not None:
            try:
                grounded = self._pipeline.grounding.ground(model, received, self._settings())
                if grounded is not None:
                    self._pipeline.between.put(grounded)
                    if grounded.unheard:  # grounding images that are superseded would be for nobody
                        self._pipeline.between.wait_until_taken()
            except (MessageError, ImageError) as error:
                self._health.problem("image", str(error))
            except Exception as error:  # one bad image must not end the worker
                if not self._report("model", error):
                    return

    def _make_results(self) -> None:
        try:
            while (grounded := self._pipeline.between.take()) is not None:
                try:
                    self._pipeline.results.answer(grounded)
                except Exception as error:  # nor must one bad image
                    if not self._report("results", error):
                        return
        except Exception as error:
            self._loader.fail(error)
        finally:
            self._pipeline.results.forget()

    def _report(self, source: str, error: Exception) -> bool:
        """Tell of an error, with a traceback if it is a fault of ours; False where ROS has ended."""
        if not self._node.context.ok():
            return False
        self._health.problem(source, f"{type(error).__name__}: {error}")
        if not isinstance(error, SelconError):
            every = diagnostics.LOG_PERIOD_SECONDS
            self._node.get_logger().error(traceback.format_exc(), throttle_duration_sec=every)
        return True
