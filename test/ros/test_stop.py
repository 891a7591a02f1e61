"""Signals at any moment end node, player and demo in order, and leave nothing behind."""

import signal
import subprocess
import sys
import time

import pytest

from support.node_process import ROOT, environment

# The node with a model that takes forever to open: a build with progress, or a call that cannot be ended.
SLOW = """
import sys, time
import cv2
import selcon_ros.ros.lifetime as lifetime
from selcon_ros.ros import grounding_node, worker
from selcon_ros.ros.signals import Stop

worker.CLOSE_SECONDS = 0.2

def building(path, backend, precision, cpu, gpu, warm_up, fall_back):
    while True:
        gpu.progress("timing kernels", 0.1)
        time.sleep(0.01)

def stuck(path, backend, precision, cpu, gpu, warm_up, fall_back):
    print(f"opening, threads of OpenCV: {cv2.getNumThreads()}", flush=True)
    time.sleep(3600)

sys.exit(lifetime.run(Stop(), ["node"], lambda: grounding_node.GroundingNode(MODEL)))
"""


@pytest.mark.parametrize(
    ("program", "runs", "latest"), [("node", 3, 2.5), ("play", 2, 2.0), ("demo", 2, 4.0)]
)
def test_signals_at_some_moments(program, runs, latest):
    command = [sys.executable, str(ROOT / "tools" / "stress_stop.py"), program]
    command += ["--runs", str(runs), "--latest", str(latest), "--seed", "1", "--patience", "220"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{program}: {runs} runs, 0 bad" in done.stdout


@pytest.mark.parametrize(
    ("model", "says"), [("building", "building the engine"), ("stuck", "opening, threads of OpenCV: 1")]
)
def test_a_model_that_is_being_opened_does_not_hold_up_the_end(tmp_path, model, says):
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW.replace("MODEL", model)],
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + 60.0
        while says not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()
