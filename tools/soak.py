"""Run the node for an hour: a camera that fails, commands and requests, listeners that come and go.

A real node with the packaged model, in a process of its own, gets a recording as its camera. Everything it
publishes is judged, and what its process uses is compared at equal moments, one each minute, at which the
camera works and everybody listens. At the end it is killed, started anew under the running camera, and
stopped. docs/reliability.md has the figures. Run it from a clone in which `make test` has made its
environment:

    AMENT_PREFIX_PATH=$PWD/.venv .venv/bin/python tools/soak.py --minutes 60
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from fuzzing.report import generator, root
from soaking.usage import Growth, Usage, growth, usage
from tqdm import tqdm

ROOT = root()
NODE_NAME = "soak"
START_SECONDS = 120.0
"""Seconds within which the node has to answer its first image."""
STEADY_SECONDS = 5.0
"""Seconds of camera and listeners at work before a sample is taken."""
MAX_DIFFERENCE = 2
"""File descriptors and threads that may come and go between two equal moments."""


@click.command()
@click.option("--minutes", default=60.0, show_default=True, help="How long.")
@click.option("--rate", default=30.0, show_default=True, help="Images of the camera a second.")
@click.option("--every", default=60.0, show_default=True, help="Seconds between two cycles and samples.")
@click.option("--warm-up", default=5, show_default=True, help="Samples left out of the comparison.")
@click.option("--growth", "most", default=0.02, show_default=True, help="Growth of memory that is a failure.")
@click.option("--seed", default=1, show_default=True, help="Of all random numbers.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Another model than the packaged one.")
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="File for the report.")
@click.option("--logs", type=click.Path(path_type=Path), help="Folder to keep the node's log in.")
def main(
    minutes: float,
    rate: float,
    every: float,
    warm_up: int,
    most: float,
    seed: int,
    bundle: Path | None,
    as_json: Path | None,
    logs: Path | None,
) -> None:
    """Run the node for long; exits with 1 if anything was judged wrong."""
    with tempfile.TemporaryDirectory(prefix="soak_") as scratch:
        folder = logs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        _set_environment(folder)
        soak = Soak(folder, bundle, rate, seed)
        try:
            soak.live(60 * minutes, every)
            soak.die_and_return()
        finally:
            soak.end()
        sys.exit(soak.report(warm_up, most, as_json))


def _set_environment(folder: Path) -> None:
    """A ROS domain of this run's own, on this machine alone."""
    from support.ros import ENVIRONMENT

    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    os.environ["ROS_LOG_DIR"] = str(folder)


class Soak:
    """The node, the robot around it, and what was seen."""

    def __init__(self, folder: Path, bundle: Path | None, rate: float, seed: int) -> None:
        import rclpy
        from fuzzing.node import NodeProcess
        from soaking.lifecycle import Lifecycle
        from soaking.robot import Robot

        from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
        from selcon_ros.recording import default_recording, read_recording

        actions = list(load_bundle(bundle or default_bundle_path(), roles=()).manifest.actions)
        self._seed = seed
        self.wrong: list[str] = []
        self.samples: list[Usage] = []
        self.figures: dict[str, float] = {}
        rclpy.init()
        self._node = rclpy.create_node("robot")
        self._robot = Robot(self._node, NODE_NAME, read_recording(default_recording()), actions, rate)
        self._lifecycle = Lifecycle(self._node, f"/{NODE_NAME}/grounding", self._robot.spin)
        settings = {"action": "hold"} | ({} if bundle is None else {"bundle": str(bundle)})
        self._process = NodeProcess(NODE_NAME, folder, settings)

    def live(self, seconds: float, every: float) -> None:
        """One life: seconds of it are random, and every so often there is a moment to compare."""
        robot = self._robot
        robot.steady()
        first = robot.wait_for(lambda: robot.heard["heatmap"], START_SECONDS)
        if first is None:
            self._fail(f"no heatmap within {START_SECONDS:g} s of the start")
            return
        self.figures["first heatmap after the start, s"] = first
        start = time.monotonic()
        with tqdm(total=int(seconds), unit=" s", file=sys.stderr, mininterval=1.0) as bar:
            second = 0
            while (now := time.monotonic() - start) < seconds and not self._ended():
                random = generator(self._seed, second)
                if second % 10 == 0:
                    robot.each_ten_seconds(random)
                if second % 3 == 0:
                    robot.each_few_seconds(random)
                for wrong in robot.each_second(random):
                    self._fail(wrong)
                robot.spin(1.0)
                if now + 1 >= every * (len(self.samples) + 1) - STEADY_SECONDS:
                    self._compare(start)
                second += 1
                bar.update(min(int(time.monotonic() - start), int(seconds)) - bar.n)

    def die_and_return(self) -> None:
        """Kill the node under the running camera, start it anew, and wait for its first heatmap."""
        if self._ended():
            return
        robot = self._robot
        robot.steady()
        self._process.kill()
        robot.spin(1.0)
        heard = robot.heard["heatmap"]
        self._process.restart()
        again = robot.wait_for(lambda: robot.heard["heatmap"] > heard, START_SECONDS)
        if again is None:
            self._fail(f"no heatmap within {START_SECONDS:g} s of the start after kill -9")
        else:
            self.figures["first heatmap after kill -9 and a start, s"] = again

    def end(self) -> None:
        """Stop the node, judge its end and its log."""
        import rclpy

        for wrong in filter(None, [self._process.stop(), *dict.fromkeys(self._process.log_faults())]):
            self._fail(wrong)
        self._node.destroy_node()
        rclpy.try_shutdown()

    def report(self, warm_up: int, most: float, as_json: Path | None) -> int:
        """Print what was seen, write it as JSON if asked to, and return the exit status."""
        for fault, count in self._robot.faults.items():
            self._fail(f"{fault} ({count} times)")
        found = growth(self.samples, warm_up)
        if found is None:
            click.echo(f"{len(self.samples)} samples: too few to compare memory, descriptors and threads")
        else:
            self._judge(found, most)
        robot = self._robot
        click.echo(f"sent {dict(robot.sent)}, heard {dict(sorted(robot.heard.items()))}")
        click.echo(f"answers to requests {dict(sorted(robot.answers.items()))}")
        click.echo(", ".join(f"{name} {value:.4g}" for name, value in self.figures.items()))
        click.echo(f"{len(self.wrong)} failures" if self.wrong else "no failure")
        if as_json is not None:
            record: dict[str, Any] = {
                "seed": self._seed,
                "sent": dict(robot.sent),
                "heard": dict(robot.heard),
                "answers": dict(robot.answers),
                "figures": self.figures,
                "growth": None if found is None else asdict(found),
                "samples": [asdict(each) for each in self.samples],
                "failures": self.wrong,
            }
            as_json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return 1 if self.wrong else 0

    def _compare(self, start: float) -> None:
        """Take the node through a lifecycle cycle, let all settle, and note what it uses."""
        robot = self._robot
        for wrong in self._lifecycle.cycle():
            self._fail(wrong)
        robot.steady()
        heard = robot.heard["heatmap"]
        robot.spin(STEADY_SECONDS)
        if (
            robot.heard["heatmap"] == heard
            and robot.wait_for(lambda: robot.heard["heatmap"] > heard, START_SECONDS) is None
        ):
            self._fail(f"no heatmap within {START_SECONDS:g} s with everything at work")
        try:
            self.samples.append(usage(self._process.pid, time.monotonic() - start))
        except OSError:
            return  # it has ended, which is told elsewhere

    def _judge(self, found: Growth, most: float) -> None:
        click.echo(
            f"memory {100 * found.memory:+.2f} % after warm-up, "
            f"{found.descriptors[0]} to {found.descriptors[1]} file descriptors, "
            f"{found.threads[0]} to {found.threads[1]} threads"
        )
        if found.memory > most:
            self._fail(f"memory has grown by {100 * found.memory:.1f} %")
        for what, (low, high) in (("file descriptors", found.descriptors), ("threads", found.threads)):
            if high - low > MAX_DIFFERENCE:
                self._fail(f"from {low} to {high} {what}")

    def _ended(self) -> bool:
        if self._process.ended is not None:
            self._fail(f"the node ended with status {self._process.ended}")
            return True
        return False

    def _fail(self, what: str) -> None:
        self.wrong.append(what)
        click.echo(f"FAILURE: {what}", err=True)


if __name__ == "__main__":
    main()
