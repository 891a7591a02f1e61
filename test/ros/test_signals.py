"""The request to stop: made by whichever thread gets the signal, once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = "import os, signal, threading, time\nfrom selcon_ros.ros.signals import Stop\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_a_signal_that_comes_to_another_thread_wakes_the_main_one():
    done = run("""
stop = Stop()
stop.hold()

def get_one():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(600)

threading.Thread(target=get_one, daemon=True).start()
print(stop.wait(), stop.requested)
""")
    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_before_there_is_anything_to_close_a_signal_ends_the_process(name):
    done = run(f"Stop(status=7)\nos.kill(os.getpid(), signal.{name})\ntime.sleep(60)")
    assert (done.returncode, done.stderr) == (7, "")


def test_later_signals_change_nothing_also_at_the_end():
    done = run("""
stop = Stop()
stop.hold()
for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    os.kill(os.getpid(), number)
print(stop.wait(), stop.wait(0))
stop.done()
os.kill(os.getpid(), signal.SIGTERM)
print("end")
""")
    assert (done.stdout, done.returncode) == ("True True\nend\n", 0), done.stderr


def test_an_end_that_hangs_is_told_with_its_place_and_left():
    done = run("""
from selcon_ros.ros import signals
signals.END_SECONDS = 0.2
stop = Stop()
stop.hold()
stop.ending()
stop.done()
time.sleep(0.5)
print("in time", flush=True)

def a_library_that_hangs():
    time.sleep(600)

stop.ending()
a_library_that_hangs()
""")
    assert (done.stdout, done.returncode) == ("in time\n", 1)
    assert "in a_library_that_hangs" in done.stderr


def test_an_end_without_stderr_is_an_end():
    code = (
        START
        + """
stop = Stop()
stop.hold()
stop.ending()
stop.done()
print("end")
"""
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.returncode) == ("end\n", 0)


def test_a_hang_up_that_is_ignored_stays_so():
    done = run("""
signal.signal(signal.SIGHUP, signal.SIG_IGN)
stop = Stop()
stop.hold()
os.kill(os.getpid(), signal.SIGHUP)
print(stop.wait(0.1))
stop.request()
print(stop.wait())
""")
    assert (done.stdout, done.returncode) == ("False\nTrue\n", 0), done.stderr
