"""The demo: the real node, a camera played from a recording, and every output looked at.

Three processes: this one (actions out, everything in), `selcon play`, and the grounding node.
"""

from __future__ import annotations

import sys
from pathlib import Path

import rclpy
from rich.console import Console
from rich.text import Text

from selcon_ros.bags.writer import Bag
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.actions import match_action
from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
from selcon_ros.core.text import one_line
from selcon_ros.demo.collector import DIAGNOSTICS, IMAGE, TYPES, Collector, FrameMessages
from selcon_ros.demo.processes import PythonProcess, isolate
from selcon_ros.demo.report import contact_sheet, table, write_png, write_results
from selcon_ros.demo.results import ActionResult, summarise
from selcon_ros.demo.truth import DemoTruth
from selcon_ros.recording import Recording, default_recording, read_recording
from selcon_ros.ros import interfaces
from selcon_ros.ros.signals import Stop
from selcon_ros.ros.start import start_ros

START_SECONDS = 120.0
# Of each action's frames this many go into the bag: a second of film, not a gigabyte.
FRAMES_IN_BAG = 6


class DemoError(SelconError):
    """Something that the demo waits for did not come."""


def node_arguments(bundle: Path) -> list[str]:
    """The grounding node's arguments for the topics of `selcon play`."""
    arguments = ["--ros-args", "-r", "__ns:=/affordance", "-p", f"bundle:={bundle}"]
    for topic in ("image", "depth", "camera_info"):
        arguments += ["-r", f"{topic}:=/camera/{topic}"]
    return arguments


def node_process(bundle: Path, log: Path) -> PythonProcess:
    """The grounding node as launch/grounding.launch.py starts it, on the topics of `selcon play`."""
    return PythonProcess("grounding node", "selcon_ros.ros.main", node_arguments(bundle), log)


def player_process(recording: Path, log: Path, rate: float | None = None) -> PythonProcess:
    """`selcon play --loop` of a recording."""
    arguments = ["play", str(recording), "--loop", *(["--rate", str(rate)] if rate else [])]
    return PythonProcess("player", "selcon_ros.cli.start", arguments, log)


def run_demo(
    stop: Stop,
    out: Path,
    recording: Path | None = None,
    bundle: Path | None = None,
    actions: list[str] | None = None,
    frames: int = 30,
    patience: float = 30.0,
) -> list[ActionResult]:
    """Run the demo, fill the folder `out`, and return a result per action.

    stop: ends the demo before its time, and then KeyboardInterrupt is raised;
    recording, bundle: None for those of the package; actions: None for all in the recording's truth that the
    model knows; frames: answers gathered per action; patience: seconds to wait for them, and for a grasp
    point among them. Raises DemoError where node or camera do not come up.
    """
    recording = recording or default_recording()
    bundle = bundle or default_bundle_path()
    played = read_recording(recording)
    model = load_bundle(bundle)
    chosen = _choose(actions, played, model.manifest.actions)
    out.mkdir(parents=True, exist_ok=True)
    isolate(out / "log")
    # In a log the table need not fit a window. What bundles and recordings say may hold brackets.
    console = Console(width=None if sys.stdout.isatty() else 110, markup=False, emoji=False)
    console.print(one_line(f"model {model.manifest.name}: {model.manifest.description}"), highlight=False)
    if model.manifest.data_warning:
        console.print(f"warning: {model.manifest.data_warning}", style="yellow", highlight=False)
    if interfaces.MISSING:
        console.print(interfaces.MISSING, highlight=False)

    stop.hold()
    start_ros()
    collector = None
    try:
        with Bag(out / "bag") as bag:
            collector = Collector(
                lambda topic, data, time_ns: bag.write(topic, type_name(topic), time_ns, data)
            )
            node = node_process(bundle, out / "log" / "grounding_node.log")
            player = player_process(recording, out / "log" / "player.log")
            with node, player:
                watched = Watched(collector, [node, player], stop)
                watched.start()
                truth = DemoTruth(played)
                results = []
                for action in chosen:
                    with console.status(Text(f"asking for {action}")):
                        answers = watched.ask(action, frames, patience)
                    for frame in answers[-FRAMES_IN_BAG:]:
                        _keep(bag, frame)
                    results.append(summarise(action, answers, truth))
                watched.wait_for_diagnostics(results)
    finally:
        if collector is not None:
            collector.destroy_node()
        rclpy.try_shutdown()
        stop.done()

    console.print(table(results))  # before files are written, which may fail
    write_results(out, results)
    title = f"action in, heatmap and grasp points out: model {model.manifest.name}"
    write_png(out / "contact_sheet.png", contact_sheet(results, title))
    return results


class Watched:
    """The collector, with an eye on the processes that it listens to."""

    def __init__(self, collector: Collector, processes: list[PythonProcess], stop: Stop) -> None:
        self._collector = collector
        self._processes = processes
        self._stop = stop

    def _watch(self) -> None:
        if self._stop.requested:
            raise KeyboardInterrupt
        for process in self._processes:
            process.check()

    def start(self) -> None:
        """Wait for the camera and for the node. Raises DemoError where one does not come up."""
        wanted = {"the camera's images": lambda: IMAGE in self._collector.seen, "the node": self._node_is_up}
        for what, condition in wanted.items():
            if not self._collector.wait_for(condition, START_SECONDS, self._watch):
                logs = ", ".join(str(process.log) for process in self._processes)
                raise DemoError(f"{what} did not come within {START_SECONDS:.0f} s; see {logs}")

    def _node_is_up(self) -> bool:
        return self._collector.listened_to() and DIAGNOSTICS in self._collector.seen

    def ask(self, action: str, frames: int, patience: float) -> list[FrameMessages]:
        """Send an action and return the last `frames` answers to it, fewer where time runs out.

        Only if no answer is complete are incomplete ones returned: the latest may still be on its way. A busy
        machine may lose the depth of an image: at least one answer shall have a grasp point in 3D.
        """
        sent = self._collector.send(action)

        def answers() -> list[FrameMessages]:
            found = self._collector.answers(action, sent)
            return ([frame for frame in found if not frame.missing()] or found)[-frames:]

        def enough() -> bool:
            return len(answers()) >= frames and any(frame.widths for frame in answers())

        self._collector.wait_for(enough, patience, self._watch)
        return answers()

    def wait_for_diagnostics(self, results: list[ActionResult]) -> None:
        """Note in the results if the node has stopped to say how it is."""
        self._collector.seen.discard(DIAGNOSTICS)
        if not self._collector.wait_for(lambda: DIAGNOSTICS in self._collector.seen, 5.0, self._watch):
            for result in results:
                result.missing.append(DIAGNOSTICS)


def type_name(topic: str) -> str:
    """The ROS type of one of the demo's topics: "sensor_msgs/msg/Image"."""
    kind = TYPES[topic]
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def _keep(bag: Bag, frame: FrameMessages) -> None:
    for topic, data in frame.data.items():
        bag.write(topic, type_name(topic), frame.received_ns[topic], data)


def _choose(wanted: list[str] | None, played: Recording, known: tuple[str, ...]) -> list[str]:
    if wanted:
        return [match_action(action, known) for action in wanted]
    chosen = [action for action in played.actions if action in known]
    if not chosen:
        raise DemoError(
            f"the model knows none of the recording's actions ({', '.join(played.actions)}); "
            f"it knows {', '.join(known)}. Name one: --action ACTION"
        )
    return chosen
