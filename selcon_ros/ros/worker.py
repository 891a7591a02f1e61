"""The thread that opens the model, answers one image after another, and closes the model."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from selcon_ros.core.errors import ImageError, SelconError
from selcon_ros.model import Model
from selcon_ros.ros import diagnostics
from selcon_ros.ros.answering import Answering
from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.message_buffers import LatestSlot
from selcon_ros.ros.model_loader import ModelLoader
from selcon_ros.ros.parameters import Settings

CLOSE_SECONDS = 4.0
"""How long the end waits for the worker: for a frame, or for a model that is being opened."""


class Worker:
    """Runs while the node has a model. A GPU's context belongs to its thread."""

    def __init__(
        self,
        node: Node,
        health: diagnostics.Health,
        images: LatestSlot[Any],
        answering: Answering,
        loader: ModelLoader,
        settings: Callable[[], Settings],
    ) -> None:
        """Begin to open the model."""
        self._node, self._health, self._images = node, health, images
        self._answering, self._loader, self._settings = answering, loader, settings
        images.open()
        self._thread = threading.Thread(target=self._work, name="grounding worker", daemon=True)
        self._thread.start()

    def end(self) -> bool:
        """End after the present frame, and close the model.

        :returns: whether it has ended; False if it is still in a call of the engine after `CLOSE_SECONDS`
        """
        self._loader.close()
        self._images.close()
        self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            model = self._loader.open()
            if model is None:
                return
            with model:
                for failure in model.failures:
                    self._health.problem("backend", failure)
                if self._settings().image_transport == "raw":
                    self._answering.reader.prepare()
                self._answer_all(model)
        except Exception as error:  # without a worker the node is of no use
            self._loader.fail(error)
        finally:
            self._answering.forget()

    def _answer_all(self, model: Model) -> None:
        while (received := self._images.take()) is not None:
            try:
                self._answering.answer(model, received, self._settings())
            except (MessageError, ImageError) as error:
                self._health.problem("image", str(error))
            except Exception as error:  # one bad image must not end the worker
                if not self._node.context.ok():
                    return
                self._health.problem("model", f"{type(error).__name__}: {error}")
                if not isinstance(error, SelconError):
                    every = diagnostics.LOG_EVERY
                    self._node.get_logger().error(traceback.format_exc(), throttle_duration_sec=every)
