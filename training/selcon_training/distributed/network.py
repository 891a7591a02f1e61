"""What the processes must be told before they can join each other: where rank 0 is, and by which network."""

from __future__ import annotations

import ipaddress
import os
import socket

import psutil

from selcon_training.errors import DistributedError


def set_environment(rank: int, count: int) -> None:
    """Say as torchrun does what srun says otherwise, and which network gloo is to use."""
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if name not in os.environ:
            raise DistributedError(
                f"{count} processes, and {name} is not set: start them by torchrun, or set MASTER_ADDR to "
                "the host of rank 0 and MASTER_PORT to a free port of it"
            )
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(count))
    os.environ.setdefault("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))
    if "GLOO_SOCKET_IFNAME" not in os.environ and (network := _network(os.environ["MASTER_ADDR"], count)):
        os.environ["GLOO_SOCKET_IFNAME"] = network


def _network(master: str, count: int) -> str | None:
    """The network interface that leads to the host of rank 0, None where gloo's own choice will do.

    Gloo would take the one that this host's name stands for, which in Debian and Ubuntu is 127.0.1.1. Raises
    DistributedError where other hosts could not reach this one.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(master, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # sends nothing
            own = probe.getsockname()[0]
    except OSError as error:
        raise DistributedError(
            f"MASTER_ADDR = {master}: {error.strerror}; give the host of rank 0"
        ) from error
    if ipaddress.ip_address(own.partition("%")[0]).is_loopback:
        if int(os.environ.get("LOCAL_WORLD_SIZE", count)) < count:
            raise DistributedError(
                f"MASTER_ADDR = {master} is {own} here, which other hosts cannot reach: give torchrun the "
                "address in the hosts' network (--master-addr or --local-addr), or set GLOO_SOCKET_IFNAME"
            )
        return None
    interfaces = psutil.net_if_addrs().items()
    return next((name for name, found in interfaces if any(each.address == own for each in found)), None)
