"""`python -m benchmarks`, in a clone of the repository."""

import sys
from pathlib import Path

import click

sys.path.insert(1, str(Path(__file__).parents[1] / "training"))  # after the clone, before what is installed

from benchmarks.engines_command import engines
from benchmarks.frame_command import frame
from benchmarks.gpu import gpu
from benchmarks.paper_size_command import paper_size
from benchmarks.training_command import training
from selcon_ros.core.errors import SelconError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Measure beside other code, on this machine. What a user needs is in `selcon bench`.

    \b
    Examples:
      python -m benchmarks engines --authors ~/SelectiveCL --out docs/benchmarks.md
      python -m benchmarks frame --baseline ~/former/.venv/bin/python --name 44d5d0d
      python -m benchmarks gpu --authors ~/SelectiveCL
      python -m benchmarks training
      python -m benchmarks paper-size
    """


main.add_command(engines)
main.add_command(frame)
main.add_command(gpu)
main.add_command(training)
main.add_command(paper_size)

if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks")
    except (SelconError, ImportError) as error:
        sys.exit(f"Error: {error}")
