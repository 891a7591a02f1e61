"""Feed the node hostile and unusual messages on all its inputs, and judge what it does.

Three real nodes, each in a process of its own: one that takes raw images, one that takes compressed ones,
one that goes by simulated time. After each batch of cases a plain frame has to be answered rightly.
docs/reliability.md says what is fed and what is judged. Run it from a clone in which `make test` has made
its environment:

    AMENT_PREFIX_PATH=$PWD/.venv .venv/bin/python tools/fuzz_messages.py --count 20000
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
from fuzzing.report import Report, cases, generator, root, span
from tqdm import tqdm

ROOT = root()
BATCH_SIZE = 25
"""Cases of one node between two plain frames."""
NODES = {"raw": (False, False), "compressed": (True, False), "simulated": (False, True)}
"""The nodes; whether their pictures are compressed, and whether their time is simulated."""
START_SECONDS = 120.0
MAX_DEATHS = 5


@click.command()
@click.option("--seed", default=1, show_default=True, help="Of all random numbers.")
@click.option("--count", default=20_000, show_default=True, help="Messages to send, about.")
@click.option("--only", help="Case, or range of cases, to repeat: 17 or 17-40.")
@click.option(
    "--deadline", default=20.0, show_default=True, help="Seconds within which a plain frame is answered."
)
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="File for the report.")
@click.option("--logs", type=click.Path(path_type=Path), help="Folder to keep the nodes' logs in.")
def main(
    seed: int, count: int, only: str | None, deadline: float, as_json: Path | None, logs: Path | None
) -> None:
    """Feed the node hostile messages; exits with 1 if anything was judged wrong."""
    numbers = cases(0, only)
    with tempfile.TemporaryDirectory(prefix="fuzz_") as scratch:
        folder = logs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        set_environment(folder)
        run = Run(Report("fuzz_messages", seed), Path(scratch), folder, deadline)
        try:
            run.feed(count, numbers)
        finally:
            run.end()
        sys.exit(run.report.finish(as_json))


def set_environment(folder: Path) -> None:
    """A ROS domain of this run's own, on this machine alone."""
    from support.ros import ENVIRONMENT

    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    os.environ["ROS_LOG_DIR"] = str(folder)


class Run:
    """The nodes, a robot around each, and the report."""

    def __init__(self, report: Report, scratch: Path, logs: Path, deadline: float) -> None:
        import rclpy
        from fuzzing.node import NodeProcess
        from fuzzing.robot import Robot
        from rclpy.executors import SingleThreadedExecutor

        from support.bundles import colour_bundle

        self.report, self._logs, self._deadline = report, logs, deadline
        # A small network: what is tried here lies around it.
        bundle = colour_bundle(scratch / "bundle", (96, 128))
        rclpy.init()
        self._node = rclpy.create_node("fuzz")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._processes: dict[str, NodeProcess] = {}
        self._robots: dict[str, Robot] = {}
        self._slowest, self._peak, self._seconds = 0.0, 0, 0.0
        for name, (compressed, simulated) in NODES.items():
            transport = "compressed" if compressed else "raw"
            settings = {
                "bundle": str(bundle),
                "threads": "1",
                "backend": "onnxruntime",
                "image_transport": transport,
                "depth_transport": transport,
                "use_sim_time": str(simulated).lower(),
                "max_frame_age": "0.0",
                "diagnostics_period": "0.5",
            }
            self._processes[name] = NodeProcess(name, logs, settings)
            self._robots[name] = Robot(self._node, self._executor, name, compressed, simulated, settings)

    def feed(self, count: int, only: Sequence[int]) -> None:
        """Send cases in batches, to one node after the other: about `count` messages, or the cases `only`."""
        self._wait_for(list(NODES))
        for name, robot in self._robots.items():
            if wrong := robot.ask(START_SECONDS):
                raise click.ClickException(f"{name}, before anything hostile: {wrong}; {robot.facts}")
        start, sent, number, deaths = time.monotonic(), 0, only[0] if only else 0, 0
        unit = " cases" if only else " messages"
        with tqdm(total=len(only) or count, unit=unit, file=sys.stderr, mininterval=0.5) as bar:
            while number <= only[-1] if only else sent < count:
                batch = range(
                    number,
                    min((number // BATCH_SIZE + 1) * BATCH_SIZE, only[-1] + 1 if only else sys.maxsize),
                )
                number = batch[-1] + 1
                name = list(NODES)[batch[0] // BATCH_SIZE % len(NODES)]
                for case in batch:
                    messages = self._send(name, case)
                    sent += messages
                    bar.update(1 if only else messages)
                if not self._judge(name, batch):
                    deaths += 1
                    if deaths >= MAX_DEATHS:
                        break
                    self._processes[name].restart()
                    self._wait_for([name])
        self._seconds = time.monotonic() - start

    def _wait_for(self, names: Sequence[str]) -> None:
        end = time.monotonic() + START_SECONDS
        while not all(self._robots[name].ready for name in names):
            if time.monotonic() > end:
                raise click.ClickException(
                    f"{', '.join(names)} did not start: see the logs, kept with --logs"
                )
            self._executor.spin_once(timeout_sec=0.05)

    def _send(self, name: str, number: int) -> int:
        from fuzzing import hostile

        robot = self._robots[name]
        case = hostile.make(generator(self.report.seed, number), robot.tick(), *NODES[name])
        robot.send(case)
        self.report.counts[f"messages to {name}"] += case.messages
        return case.messages

    def _judge(self, name: str, batch: Sequence[int]) -> bool:
        """Judge a batch by what came out and by a plain frame; returns whether the node can go on."""
        from fuzzing.node import MAX_MEMORY_BYTES

        robot, process = self._robots[name], self._processes[name]
        asked = time.monotonic()
        wrong = list(robot.settle(self._deadline))
        unanswered = robot.ask(self._deadline)
        self._slowest = max(self._slowest, time.monotonic() - asked)
        wrong += [f"{unanswered}; it says: {robot.facts.get('message')}"] if unanswered else []
        wrong += [f"{output}: {fault}" for output, fault in dict.fromkeys(robot.faults)]
        robot.faults.clear()
        self._peak = max(self._peak, process.peak_memory)
        if process.peak_memory > MAX_MEMORY_BYTES:
            wrong.append(f"the node has taken {process.peak_memory / 2**20:.0f} MB")
        if process.ended is not None:
            wrong.append(f"the node ended with status {process.ended}")
        for each in wrong:
            self.report.fail(span(batch), name, each)
        return not unanswered and process.ended is None

    def end(self) -> None:
        """Stop the nodes, judge their ends and logs, and count."""
        import rclpy

        report = self.report
        for name, process in self._processes.items():
            for wrong in filter(None, [process.stop(), *dict.fromkeys(process.log_faults())]):
                report.fail("0", name, wrong)
        robots = self._robots.values()
        sent = sum(report.counts.values())
        for key in ("received_images", "dropped_images"):
            report.counts[key.replace("_", " ")] = sum(int(each.facts.get(key, 0)) for each in robots)
        report.counts["answers"] = sum(each.heard["status"] for each in robots)
        report.figures = {
            "seconds": self._seconds,
            "messages a second": sent / max(self._seconds, 1e-9),
            "slowest right answer after a batch, s": self._slowest,
            "peak memory of a node, MB": self._peak / 2**20,
        }
        self._node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
