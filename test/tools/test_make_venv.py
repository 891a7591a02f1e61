"""An environment is not made where that would empty another one."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_linked_environment_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    link = tmp_path / "venv"
    link.symlink_to(other)
    made = subprocess.run(
        [ROOT / "tools/make_venv.sh", link, "ros"], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 1 and f"is a link to {other}" in made.stderr
    assert (other / "kept").exists()
