"""Torch's threads do not wait busily, unless the user says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selcon_ros.core.grounding.bundle import default_bundle_path

ROOT = Path(__file__).parents[2]
# What the variable is at the moment when something imports torch.
WATCHED = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("policy", os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
from selcon_ros.cli.main import main
sys.argv = ["selcon", *{0}]
main()
"""


@pytest.mark.parametrize("given", [None, "active"])
@pytest.mark.parametrize(
    "command",
    [
        ["train", str(ROOT / "training" / "configs" / "tabletop_dense.yaml")],
        ["adapt", ".", "--out", "new"],
        ["distill", str(default_bundle_path()), ".", "--out", "new"],
        ["tabletop", "pretrain", ".", "--out", "new"],
    ],
)
def test_the_variable_stands_before_torch_is_imported(
    tmp_path: Path, command: list[str], given: str | None
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"OMP_WAIT_POLICY": given} if given else {})
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.format(command)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.stdout.splitlines()[-1:] == [f"policy {given or 'passive'}"]
