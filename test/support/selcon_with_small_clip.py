"""The command `selcon` in a process of its own that knows the tests' small CLIP."""

import os
import tempfile
from pathlib import Path

from selcon_ros.cli.main import main
from selcon_training.distributed import liveness
from support.nets import register_small_clip

liveness.SILENCE_SECONDS = int(os.environ.get("SILENCE_OF_TESTS", liveness.SILENCE_SECONDS))
with tempfile.TemporaryDirectory() as folder:
    register_small_clip(Path(folder))
main()
