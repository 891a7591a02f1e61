"""`selcon view` as it is typed: what is a source, what is refused, how it begins and ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.pictures.picture_files import write_image
from selcon_ros.recording import default_recording
from selcon_ros.view.sources.opening import Given, SourceError, open_camera

PICTURE = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "mug.png"
    write_image(path, PICTURE)
    return path


def refused(*arguments: str) -> str:
    """What the command says; it must not end well, nor with a traceback."""
    pytest.importorskip("viser", reason="viser is missing: pip install 'selcon_ros[view]'")
    result = CliRunner().invoke(main, ["view", "--port", "0", *arguments])
    assert result.exit_code in (1, 2) and isinstance(result.exception, SystemExit), result.exception
    return result.output


def test_what_a_source_is(picture: Path, tmp_path: Path) -> None:
    assert open_camera(str(picture), Given()).title == str(picture)
    pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")
    assert open_camera(str(default_recording()), Given()).title.startswith("recording ")
    for name, said in (
        ("77", "webcam 77 cannot be opened"),
        ("9" * 30, "there is no '9{30}': give a picture"),
        ("/dev/null", "webcam /dev/null cannot be opened"),
        (str(tmp_path / "no.png"), "there is no .*no.png': give a picture"),
    ):
        with pytest.raises(ValueError, match=said):
            open_camera(name, Given())


def test_what_does_not_go_with_a_source(picture: Path) -> None:
    for name, given, said in (
        (str(default_recording()), Given(depth="depth.png"), "--depth does not go with a recording"),
        ("0", Given(camera_info="/info"), "--camera-info does not go with a webcam"),
        (str(picture), Given(image="/image"), "--image does not go with a picture"),
        (str(picture), Given(target_frame="base"), "--target-frame does not go with a picture"),
        (str(picture), Given(depth="depth.png"), "--depth and --camera go together"),
        (str(picture), Given(rectified=True), "--rectified says how to read --camera"),
    ):
        with pytest.raises(SourceError, match=said):
            open_camera(name, given)


def test_options_of_a_node_and_of_a_model_are_not_mixed(picture: Path) -> None:
    assert "--max-width is for a SOURCE without a node" in refused("--max-width", "0.2")
    assert "--image does not go with a running node" in refused("--image", "/camera/image")
    assert "--node does not go with a SOURCE" in refused(str(picture), "--node", "/affordance/grounding")
    assert "unknown action 'fly'" in refused(str(picture), "--action", "fly")


def test_it_serves_the_page_until_it_is_stopped(picture: Path) -> None:
    pytest.importorskip("viser", reason="viser is missing: pip install 'selcon_ros[view]'")
    program = [sys.executable, "-m", "selcon_ros.cli.start", "view", str(picture), "--port", "0"]
    with subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/) in a browser; Ctrl-C ends it\n", line)
        assert found, line or process.stderr.read()
        with urlopen(found[1], timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
