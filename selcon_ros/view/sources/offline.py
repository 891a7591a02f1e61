"""Grounds the images of a picture, a recording, a bag or a webcam in this process, without a node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.grounder import Grounding
from selcon_ros.core.outputs.image_findings import Findings
from selcon_ros.core.outputs.overlay import draw
from selcon_ros.core.text import one_line
from selcon_ros.model import Model
from selcon_ros.view.scene import ActionAnswer, Diagnostic, TargetFrame, Thresholds, ViewFrame
from selcon_ros.view.sources.base import Slot

POLL_SECONDS = 0.2
"""Seconds between two looks at whether a thread is to end."""


@dataclass(frozen=True)
class Shot:
    """One image of a camera, with depth and calibration where it has them; see `ViewFrame`.

    notes: what it does not have, for people. faults: what is wrong with it.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32] | None = None
    intrinsics: Intrinsics | None = None
    frame_id: str = ""
    stamp: float = 0.0
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    target: TargetFrame | None = None


class CameraFeed(Protocol):
    """Where images come from."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    def run(self, show: Callable[[Shot], None], stop: threading.Event) -> None:
        """Show images as they are due, until there are no more or `stop` is set. Raises SelconError."""


class OfflineSource:
    """A camera and a model: a thread plays the one, another opens and runs the other.

    The network runs once for each image, and not again when only actions or thresholds change; nothing is
    computed as long as nothing changes or nobody takes the frames.
    """

    def __init__(
        self,
        camera: CameraFeed,
        load: Callable[[], Model],
        actions: tuple[str, ...],
        thresholds: Thresholds,
    ) -> None:
        """Nothing is opened yet.

        `load` opens the model, in the thread that then runs and closes it. `actions` are those of the model
        to ask for first; none: the most confident one of the first image.
        """
        self._camera, self._load, self._asked = camera, load, actions
        self._actions: tuple[str, ...] = ()
        self._model = ""
        self._thresholds = thresholds
        self._shots, self._frames = Slot[Shot](), Slot[ViewFrame]()
        self._opened, self._changed = Slot[bool](), threading.Event()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=f"view {work.__name__}", daemon=True)
            for work in (self._play, self._ground)
        ]

    @property
    def title(self) -> str:
        return self._camera.title

    @property
    def model(self) -> str:
        return self._model

    @property
    def actions(self) -> tuple[str, ...]:
        return self._actions

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        while self._opened.take(POLL_SECONDS) is None:
            pass

    def newest(self, timeout: float) -> ViewFrame | None:
        return self._frames.take(timeout)

    def set_actions(self, actions: tuple[str, ...]) -> None:
        self._asked = tuple(each for each in self._actions if each in actions)
        self._changed.set()

    def set_thresholds(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._changed.set()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=4)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Hand an error on to who waits for frames."""
        try:
            work()
        except BaseException as error:  # of any kind: it is raised again where frames are taken
            self._opened.fail(error)
            self._frames.fail(error)
            self._stop.set()

    def _play(self) -> None:
        self._camera.run(self._shots.put, self._stop)

    def _ground(self) -> None:
        with self._load() as model:
            manifest = model.bundle.manifest
            self._model = one_line(f"{manifest.name} in {model.why}")
            self._actions = model.actions
            notes = [text for text in (manifest.data_warning, *model.failures) if text]
            self._opened.put(True)
            self._ground_all(model, tuple(Diagnostic("warning", one_line(note)) for note in notes))

    def _ground_all(self, model: Model, notes: tuple[Diagnostic, ...]) -> None:
        shot: Shot | None = None
        grounding: Grounding | None = None
        number = 0
        while not self._stop.is_set():
            if not self._frames.wait_taken(POLL_SECONDS):
                continue
            if (newer := self._shots.take(0 if self._changed.is_set() else POLL_SECONDS)) is not None:
                shot, grounding = newer, None
            elif not self._changed.is_set() or shot is None:
                continue
            self._changed.clear()
            began = time.monotonic()
            if grounding is None:
                grounding = model.ground(shot.image)
                if number == 0 and not self._asked:
                    self._asked = (max(self._actions, key=grounding.confidence),)
            number += 1
            frame = self._answer(number, shot, grounding)
            times = {"network": 1e3 * grounding.seconds, "answer": 1e3 * (time.monotonic() - began)}
            self._frames.put(replace(frame, times=times, diagnostics=(*frame.diagnostics, *notes)))

    def _answer(self, number: int, shot: Shot, grounding: Grounding) -> ViewFrame:
        asked, thresholds = self._asked, self._thresholds
        depth, intrinsics, faults = shot.depth, shot.intrinsics, list(shot.faults)
        findings = Findings(grounding, lambda: (depth, intrinsics), thresholds.grasp())
        try:
            for action in asked:
                findings.grasps(action)
        except SelconError as error:  # depth or calibration that do not belong to the image
            faults.append(str(error))
            depth = intrinsics = None
            findings = Findings(grounding, lambda: (None, None), thresholds.grasp())
        answers = []
        for action in asked:
            heatmap, grasps = findings.heatmap(action), findings.grasps(action)
            answers.append(ActionAnswer(heatmap, grasps, draw(shot.image, heatmap, grasps)))
        return ViewFrame(
            number=number,
            stamp=shot.stamp,
            frame_id=shot.frame_id,
            image=shot.image,
            depth=depth if intrinsics is not None else None,
            intrinsics=intrinsics if depth is not None else None,
            answers=tuple(answers),
            confidences={action: grounding.confidence(action) for action in self._actions},
            thresholds=thresholds,
            diagnostics=(
                *(Diagnostic("warning", one_line(each)) for each in faults),
                *(Diagnostic("ok", one_line(each)) for each in shot.notes),
            ),
            target=shot.target,
        )
