"""One training among several processes, on one machine or several: who does what, what is told."""

from selcon_training.distributed.collectives import (
    all_gather,
    all_gather_objects,
    all_reduce_mean,
    all_reduce_sum,
    any_rank,
    barrier,
    broadcast_from_main,
    is_main,
    local_rows,
    names_where,
    rank,
    shard,
    world_size,
)
from selcon_training.distributed.files import folder_of_main
from selcon_training.distributed.session import join, main_first, process_group, set_recovery_advice

__all__ = [
    "all_gather",
    "all_gather_objects",
    "all_reduce_mean",
    "all_reduce_sum",
    "any_rank",
    "barrier",
    "broadcast_from_main",
    "folder_of_main",
    "is_main",
    "join",
    "local_rows",
    "main_first",
    "names_where",
    "process_group",
    "rank",
    "set_recovery_advice",
    "shard",
    "world_size",
]
