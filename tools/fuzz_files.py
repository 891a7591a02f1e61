"""Damage every kind of file that is read, and judge what its reader does.

Each case spoils one file (flipped bits, cuts, other values in JSON and YAML, other entries in an
archive, something else under the name) and reads it in a child process with limits of memory and time.
docs/reliability.md says what is fed and what is judged. Run it from a clone in which `make test` has made
its environment:

    .venv/bin/python tools/fuzz_files.py --count 4000
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from fuzzing.children import Outcome, run_all
from fuzzing.damage import spoil
from fuzzing.report import Report, bad_text, cases, generator, root
from tqdm import tqdm

root()
MAX_MESSAGE_LENGTH = 6000
"""Most characters of a message that refuses a file; some list what is wrong line by line."""


@click.command()
@click.option("--seed", default=1, show_default=True, help="Of all random numbers.")
@click.option("--count", default=4000, show_default=True, help="Files to damage.")
@click.option("--only", help="Case, or range of cases, to repeat: 17 or 17-40.")
@click.option("--kind", "kinds", multiple=True, help="Only kinds of files with this in their name (repeat).")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Children at a time.")
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="File for the report.")
@click.option("--verbose", is_flag=True, help="Print how every case ended, and how fast.")
def main(
    seed: int,
    count: int,
    only: str | None,
    kinds: tuple[str, ...],
    jobs: int,
    as_json: Path | None,
    verbose: bool,
) -> None:
    """Feed the readers damaged files; exits with 1 if anything was judged wrong."""
    import cv2

    # Threads of a pool would be missing in the children.
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(0)
    numbers = cases(count, only)
    report = Report("fuzz_files", seed)
    with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
        _run(report, numbers, kinds, jobs, Path(folder), verbose)
    sys.exit(report.finish(as_json))


def _run(
    report: Report, numbers: Sequence[int], kinds: Sequence[str], jobs: int, folder: Path, verbose: bool
) -> None:
    from fuzzing.robot_files import robot_files
    from fuzzing.subject import Subject
    from fuzzing.training_files import training_files

    import selcon_ros.cli.main  # so that no child imports it anew, as all that is imported here
    import selcon_ros.engines.fp16  # noqa: F401 - brings ONNX Runtime
    from selcon_ros.core.errors import SelconError

    shared = folder / "shared"
    shared.mkdir()
    known = [*robot_files(shared), *training_files(shared)]
    known = [each for each in known if not kinds or any(kind in each.name for kind in kinds)]
    if not known:
        raise click.BadParameter("no kind of file has that in its name", param_hint="--kind")
    weights = np.array([each.weight for each in known])
    for each in known:
        (folder / each.name).mkdir()
        each.make(folder / each.name)

    def chosen(number: int) -> tuple[Subject, np.random.Generator]:
        random = generator(report.seed, number)
        return known[int(random.choice(len(known), p=weights / weights.sum()))], random

    def work(number: int) -> str:
        subject, random = chosen(number)
        with tempfile.TemporaryDirectory(dir=folder, prefix="case_") as place:
            to = Path(place) / "files"
            shutil.copytree(folder / subject.name, to)
            pattern = subject.spoiled[int(random.integers(len(subject.spoiled)))]
            files = sorted(path for path in to.glob(pattern) if path.is_file())
            spoil(random, files[int(random.integers(len(files)))])
            try:
                subject.read(to)
            except (SelconError, click.ClickException) as error:
                return str(error)
        return ""

    slowest = largest = 0.0
    with tqdm(total=len(numbers), unit=" files", file=sys.stderr, mininterval=0.5) as bar:
        for outcome in run_all(list(numbers), work, jobs):
            subject, _ = chosen(outcome.case)
            bar.update()
            report.counts[outcome.kind] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.growth)
            if verbose:
                took = f"{outcome.seconds:.1f} s"
                tqdm.write(f"{outcome.case} {subject.name}: {outcome.kind} in {took} {outcome.text[-300:]}")
            if fault := _fault(outcome, subject.foreign):
                report.fail(str(outcome.case), subject.name, fault)
            elif outcome.kind == "crash":
                report.counts[f"crash inside {subject.foreign}"] += 1
    report.figures = {
        "seconds": bar.format_dict["elapsed"],
        "files a second": len(numbers) / bar.format_dict["elapsed"],
        "slowest file, s": slowest,
        "most memory that a file took, MB": largest / 2**20,
    }


def _fault(outcome: Outcome, foreign: str) -> str:
    """What is wrong with how a case ended, or nothing.

    A crash of a library is none of ours where the file's author vouches for what the library was given.
    """
    if outcome.kind == "refused":
        return bad_text(outcome.text, MAX_MESSAGE_LENGTH)
    if outcome.kind == "taken" or (outcome.kind == "crash" and foreign):
        return ""
    last = outcome.text.strip().splitlines()[-1] if outcome.text.strip() else ""
    return f"{outcome.kind}: {last[:300]}\n{outcome.text}"


if __name__ == "__main__":
    main()
