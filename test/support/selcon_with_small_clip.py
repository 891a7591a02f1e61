"""The command `selcon` in a process of its own that knows the tests' small CLIP."""

import tempfile
from pathlib import Path

from selcon_ros.cli.main import main
from support.nets import register_small_clip

with tempfile.TemporaryDirectory() as folder:
    register_small_clip(Path(folder))
main()
