"""`selcon doctor`: what keeps the node from working here, and what to type about it."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selcon_ros.cli.options import FiniteRange, bundle_option, json_option
from selcon_ros.core.errors import first_line

if TYPE_CHECKING:
    from selcon_ros.doctor.check import Check

COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}
TRANSPORTS = ("raw", "compressed")


@click.command()
@bundle_option
@click.option("--backend", default="auto", show_default=True, help="As the node's parameter.")
@click.option("--graph/--no-graph", default=True, help="Look at the running ROS graph, too.")
@click.option("--image", help="Image topic to look at  [default: those of the grounding nodes that run]")
@click.option("--depth", default="depth", show_default=True, help="Depth topic that belongs to --image.")
@click.option("--camera-info", default="camera_info", show_default=True, help="Calibration topic, likewise.")
@click.option("--image-transport", type=click.Choice(TRANSPORTS), default="raw", show_default=True)
@click.option(
    "--depth-transport", type=click.Choice([*TRANSPORTS, "compressedDepth"]), default="raw", show_default=True
)
@click.option("--rectified", is_flag=True, help="The images of --image are rectified.")
@click.option("--target-frame", default="", help="Frame that poses shall be in; checks its transform.")
@click.option(
    "--seconds",
    type=FiniteRange(0.5, 600),
    default=4.0,
    show_default=True,
    help="How long images are received.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    bundle: Path | None,
    backend: str,
    graph: bool,
    image: str | None,
    depth: str,
    camera_info: str,
    image_transport: str,
    depth_transport: str,
    rectified: bool,
    target_frame: str,
    seconds: float,
    as_json: bool,
) -> None:
    """Look for what keeps the node from working: Python, ROS, libraries, model, machine, and running graph.

    Each line is OK, WARN or FAIL, with what to type. The exit code is 1 if a line is FAIL.

    \b
    Examples:
      selcon doctor
      selcon doctor --image /camera/color/image_raw --depth /camera/aligned_depth_to_color/image_raw \\
          --camera-info /camera/color/camera_info
    """
    from selcon_ros.doctor.check import fail, warn
    from selcon_ros.doctor.python import LIBRARIES, check_python, has_ros
    from selcon_ros.doctor.surroundings import check_surroundings

    def checks() -> Iterator[Check]:
        broken = []
        for check in check_python():
            yield check
            if check.name in LIBRARIES and check.level == "FAIL":
                broken.append(check.name)
        # Without them nothing else can be imported; some would end this process.
        if not broken:
            yield from _guarded("model", _model_checks())
        yield from _guarded("surroundings", check_surroundings(has_ros()))
        if not broken:
            yield from _guarded("ROS graph", _ros_checks())
        else:
            yield warn("model, ROS graph", f"not looked at: first mend {', '.join(broken)}")

    def _model_checks() -> Iterator[Check]:
        from selcon_ros.doctor.model import check_model

        yield from check_model(bundle, backend)

    def _ros_checks() -> Iterator[Check]:
        from selcon_ros.doctor.python import check_ros_libraries, has_rclpy

        if not has_rclpy():
            if image:
                yield fail("ROS graph", "--image is a topic, which needs ROS 2: see its line above")
            return
        for check in check_ros_libraries():
            yield check
            if check.name == "middleware" and check.level == "FAIL":
                return
        if graph:
            from selcon_ros.doctor.graph import check_graph
            from selcon_ros.ros.parameters import Settings
            from selcon_ros.ros.running_nodes import Topics

            settings = Settings(
                image_transport=image_transport,
                depth_transport=depth_transport,
                rectified=rectified,
                target_frame=target_frame,
            )
            yield from check_graph(Topics(image, depth, camera_info) if image else None, settings, seconds)

    failed = _print_json(checks()) if as_json else _print_lines(checks())
    context.exit(1 if failed else 0)


def _guarded(name: str, checks: Iterable[Check]) -> Iterator[Check]:
    """Make a line of an error in a check, so that the next checks follow: it may be what is looked for."""
    from selcon_ros.doctor.check import fail

    try:
        yield from checks
    except Exception as error:
        said = f"looking at it failed: {type(error).__name__}: {first_line(error)}"
        yield fail(name, said, "see to it that this library is whole, or report it")


@contextmanager
def _stdout_for_us() -> Iterator[None]:
    """Send to stderr what libraries print, also those in C: standard output is for JSON alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def _print_json(checks: Iterable[Check]) -> bool:
    with _stdout_for_us():
        found = list(checks)
    failed = any(check.level == "FAIL" for check in found)
    click.echo(json.dumps({"ok": not failed, "checks": [check.as_json() for check in found]}, indent=2))
    return failed


def _print_lines(checks: Iterable[Check]) -> bool:
    """Print each check as soon as it is made, and count them at the end."""
    counts = dict.fromkeys(COLOURS, 0)
    for check in checks:
        level = check.level.value
        counts[level] += 1
        click.echo(f"{click.style(level.ljust(4), COLOURS[level])}  {check.name}: {check.found}")
        if check.remedy:
            click.echo(f"      -> {check.remedy}")
    click.echo(f"{counts['OK']} OK, {counts['WARN']} WARN, {counts['FAIL']} FAIL")
    return counts["FAIL"] > 0
