"""Two hosts on one machine: namespaces with a network, name and folder of their own, joined by a cable."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ADDRESSES = ("10.8.0.1", "10.8.0.2")
NAMES = ("host-a", "host-b")


class Host:
    """A host, for as long as its process `keeper` runs."""

    def __init__(self, keeper: subprocess.Popen[bytes], number: int) -> None:
        self.keeper, self.number = keeper, number

    def command(self, *words: object) -> list[str]:
        return ["nsenter", "-t", str(self.keeper.pid), "-n", "-m", "-u", "--", *map(str, words)]

    def do(self, *words: object) -> None:
        subprocess.run(self.command(*words), check=True, capture_output=True)

    def torchrun(
        self, script: Path, *words: object, per_node: int = 1, **settings: str
    ) -> subprocess.Popen[str]:
        """Start this host's half of a torchrun on both."""
        started = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nnodes=2",
            f"--nproc-per-node={per_node}",
        ]
        place = [f"--node-rank={self.number}", f"--master-addr={ADDRESSES[0]}", "--master-port=29500"]
        return subprocess.Popen(
            self.command(*started, *place, script, *words),
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)} | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@contextmanager
def two_hosts(folder: Path, own: Sequence[Path]) -> Iterator[tuple[Host, Host]]:
    """Two hosts that see `folder` each as one of the folders `own`, and share every other."""
    with ExitStack() as stack:
        hosts = []
        for number in range(2):
            keeper = subprocess.Popen(["unshare", "-n", "-m", "-u", "sleep", "infinity"])
            stack.callback(keeper.wait)
            stack.callback(keeper.kill)
            hosts.append(Host(keeper, number))
        for kind in ("net", "mnt", "uts"):
            while any(_namespace(host.keeper.pid, kind) == _namespace(os.getpid(), kind) for host in hosts):
                time.sleep(0.02)
        hosts[0].do(
            "ip", "link", "add", "cable", "type", "veth", "peer", "cable", "netns", hosts[1].keeper.pid
        )
        for host in hosts:
            host.do("ip", "link", "set", "lo", "up")
            host.do("ip", "address", "add", f"{ADDRESSES[host.number]}/24", "dev", "cable")
            host.do("ip", "link", "set", "cable", "up")
            host.do("hostname", NAMES[host.number])
            host.do("mount", "--bind", own[host.number], folder)
        yield hosts[0], hosts[1]


def _namespace(process: int, kind: str) -> str:
    return os.readlink(f"/proc/{process}/ns/{kind}")


def _work() -> bool:
    words = [
        "unshare",
        "-n",
        "-m",
        "-u",
        "ip",
        "link",
        "add",
        "cable",
        "type",
        "veth",
        "peer",
        "name",
        "other",
    ]
    try:
        return subprocess.run(words, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


needs_hosts = pytest.mark.skipif(
    not _work(), reason="namespaces cannot be made: needs root, and the commands unshare, nsenter and ip"
)
