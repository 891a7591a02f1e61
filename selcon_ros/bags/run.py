"""`selcon ground-bag`: stretches of a bag over the cores, put together into a new bag and a summary."""

from __future__ import annotations

import heapq
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

from selcon_ros.backends.options import CpuOptions
from selcon_ros.bags.grounding import BagGrounder, BagRow
from selcon_ros.bags.parts import BagParts
from selcon_ros.bags.plan import BagPlan, Segment, segments, taken_topics
from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.bags.summary import write_summary
from selcon_ros.bags.transform_topics import transform_topics
from selcon_ros.bags.writer import Bag
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.model import load

PARTS_FOLDER = "parts"
BAG_FOLDER = "bag"
SEGMENTS_PER_PROCESS = 2
"""Stretches that wait for each process."""
_opened: BagGrounder | None = None
"""What a process works with."""


@dataclass(frozen=True)
class Done:
    """What a run has made: rows of all images and actions, how many of its images were done before, and the
    types of messages that could not be copied."""

    rows: list[BagRow]
    images: int
    resumed: int
    left_out: tuple[str, ...]


def ground_bag(
    plan: BagPlan,
    reader: BagReader,
    out: Path,
    processes: int,
    begin: Callable[[int, int], None],
    done: Callable[[int], None],
) -> Done:
    """Ground every image of a bag, and write `bag`, `results.csv`, `index.html` and `pictures` into `out`.

    After an interruption the same call goes on where it was. `reader` is that of the bag, open. `processes`
    work side by side, each with one thread. `begin` is called with the number of images, and of those that
    are done already; `done` with the number of images of a stretch when it is done. Raises BagError for a bag
    without images, or without transforms for a target frame, a folder with something else, or a process that
    died.
    """
    if (out / BAG_FOLDER).exists():
        raise BagError(f"{out / BAG_FOLDER} exists: delete it, or choose another --out")
    if there := taken_topics(reader, plan.prefix):
        raise BagError(f"the bag has {there} already: choose another --namespace")
    if plan.settings.target_frame:
        transform_topics(reader, plan.settings.target_frame)
    every = segments(reader, plan.topics.image)
    if not every:
        raise BagError(f"the bag has no message on {plan.topics.image}")
    parts = BagParts(out / PARTS_FOLDER)
    key = plan.key(load_bundle(plan.bundle, roles=()).manifest.to_json())
    backend, precision = parts.begin(key, lambda: _chosen(plan))
    plan = replace(plan, settings=replace(plan.settings, backend=backend, precision=precision))
    left = [segment for segment in every if not parts.has(segment)]
    images = sum(segment.count for segment in every)
    resumed = images - sum(segment.count for segment in left)
    begin(images, resumed)
    _ground_all(plan, reader.plain, parts, left, max(1, min(processes, len(left))), done)
    rows = [row for segment in every for row in parts.rows(segment)]
    write_summary(out, plan, rows, [(segment, parts.picture) for segment in every])
    left_out = _put_together(reader, parts, every, out / BAG_FOLDER)
    parts.remove()
    return Done(rows, images, resumed, left_out)


def _chosen(plan: BagPlan) -> tuple[str, str]:
    """The engine and the precision that are chosen here, so that all processes have the same.

    Each would measure for itself, and where two precisions are about as fast, not all find the same.
    """
    settings = plan.settings
    with load(plan.bundle, settings.backend, settings.precision, CpuOptions(threads=1)) as model:
        return model.kind, model.precision


def _ground_all(
    plan: BagPlan,
    bag: Path,
    parts: BagParts,
    left: list[Segment],
    processes: int,
    done: Callable[[int], None],
) -> None:
    """Ground the stretches in processes, each with a model of its own.

    `bag` is where it lies unpacked, and is checked.
    """
    queue = iter(left)
    running: dict[Future[None], Segment] = {}
    # Not forked: neither engines nor the middleware bear that.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin_process) as pool:
        try:
            while True:
                while (
                    len(running) < SEGMENTS_PER_PROCESS * processes
                    and (segment := next(queue, None)) is not None
                ):
                    running[pool.submit(_ground, plan, bag, parts, segment)] = segment
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    done(running.pop(future).count)
        except BrokenProcessPool:
            raise BagError(
                "a process died (out of memory?): the same command goes on from here; fewer --processes "
                "need less memory"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin_process() -> None:
    """Leave Ctrl-C to the parent, and end when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _ground(plan: BagPlan, bag: Path, parts: BagParts, segment: Segment) -> None:
    global _opened
    if _opened is None:
        settings = plan.settings
        model = load(plan.bundle, settings.backend, settings.precision, CpuOptions(threads=1))
        _opened = BagGrounder(model, BagReader(bag, check=False).open(), plan)
    parts.write(segment, _opened.segment(segment))


def _put_together(reader: BagReader, parts: BagParts, every: list[Segment], folder: Path) -> tuple[str, ...]:
    """Write the bag's messages and the new ones into one bag, in the order of receiving.

    Returns the types of which neither the bag nor rosbags has a definition: their messages are left out.
    """
    whole = parts.folder / BAG_FOLDER
    left_out: set[str] = set()
    with Bag(whole) as bag:
        definitions = {each.msgtype: reader.definition(each) for each in reader.connections}
        left_out = {kind for kind, found in definitions.items() if found is None}
        kept = [each for each in reader.connections if each.msgtype not in left_out]
        both = heapq.merge(
            ((*message, definitions[message[0].msgtype]) for message in reader.messages(kept)),
            parts.messages(every),
            key=lambda message: message[1],
        )
        for connection, received, data, definition in both:
            assert definition is not None
            bag.copy(connection, received, data, definition)
    whole.rename(folder)
    return tuple(sorted(left_out))
