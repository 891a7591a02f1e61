"""How much grasp points shake with the noise of a camera, with and without `steady_frames`.

    python -m experiments.steady [--frames 0 10 20] [--repeats 60] [--average 10]

Each of some frames of the packaged recording is shown many times, each time with other noise: Gaussian
noise on the image; on the depth the axial noise of a Kinect, 1.2 mm + 1.9 mm/m² (z - 0.4 m)² (Nguyen, Izadi
and Lovell, "Modeling Kinect Sensor Noise for Improved 3D Reconstruction and Tracking", 2012), and pixels
without a measurement.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from selcon_ros import find_grasps, load
from selcon_ros.backends.base import CPU_BACKEND
from selcon_ros.core.grasps.grasp_result import GraspResult
from selcon_ros.core.grasps.steady import SteadyGrasps
from selcon_ros.recording import RecordedFrame, default_recording, read_recording

MISSING_SHARE = 0.02
"""Share of the depth measurements that are missing."""


def noisy(
    frame: RecordedFrame, grey_levels: float, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a frame's image [H, W, 3] and depth [H, W] in metres with noise; `grey_levels`: the image's."""
    image = np.clip(frame.image + random.normal(0, grey_levels, frame.image.shape), 0, 255).astype(np.uint8)
    depth = frame.depth_mm / 1000
    sigma = 0.0012 + 0.0019 * (depth - 0.4) ** 2
    measured = (depth > 0) & (random.random(depth.shape) >= MISSING_SHARE)
    return image, np.where(measured, depth + random.normal(0, sigma), 0).astype(np.float32)


def jitter(results: list[GraspResult], skip: int) -> tuple[float, int] | None:
    """Return the root mean square distance of the best points from their mean, mm, and how many there are.

    The first `skip` results do not count. None where fewer than half of them have a pose.
    """
    best = [result.points[0].position for result in results[skip:] if result.points]
    places = np.array([place for place in best if place is not None])
    if 2 * len(places) < len(results) - skip:
        return None
    return 1e3 * float(np.sqrt(np.sum(np.var(places, axis=0)))), len(places)


def main() -> None:
    """Print the jitter of each frame and action, and of all together."""
    parser = argparse.ArgumentParser(description="Jitter of grasp points with sensor noise.")
    parser.add_argument("--frames", type=int, nargs="+", default=[0, 10, 20])
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--average", type=int, default=10, help="steady_frames")
    parser.add_argument("--grey-levels", type=float, default=4.0, help="noise of the image, of 255")
    options = parser.parse_args()
    recording, random = read_recording(default_recording()), np.random.default_rng(0)
    table: list[tuple[float, float]] = []
    with load(None, CPU_BACKEND, "int8") as model:  # whichever is faster here
        for number in options.frames:
            frame, steady = recording.frames[number], SteadyGrasps()
            seen: dict[str, list[GraspResult]] = {action: [] for action in recording.actions}
            given: dict[str, list[GraspResult]] = {action: [] for action in recording.actions}
            for _ in range(options.repeats):
                image, depth = noisy(frame, options.grey_levels, random)
                grounding = model.ground(image)
                found = {
                    action: find_grasps(grounding.heatmap(action), depth, frame.intrinsics)
                    for action in recording.actions
                }
                averaged = steady.update(image, found, options.average)
                for action in recording.actions:
                    seen[action].append(found[action])
                    given[action].append(averaged[action])
            for action in recording.actions:
                before, after = (jitter(each[action], options.average) for each in (seen, given))
                if before is not None and after is not None:
                    table.append((before[0], after[0]))
                    print(
                        f"frame {number:2} {action:12} {before[0]:5.1f} mm, averaged {after[0]:5.1f} mm",
                        flush=True,
                    )
    if table:
        for name, rows in (("median", np.median(table, axis=0)), ("largest", np.max(table, axis=0))):
            print(f"{name}: {rows[0]:.1f} mm, averaged {rows[1]:.1f} mm")


if __name__ == "__main__":
    main()
