"""One training among several processes, on one machine or several: who does what, what is told."""

from selcon_training.distributed.collectives import (
    all_gather,
    all_gather_objects,
    all_reduce_mean,
    all_reduce_sum,
    any_rank,
    barrier,
    is_main,
    local_rows,
    names_where,
    of_main,
    rank,
    shard,
    world_size,
)
from selcon_training.distributed.files import folder_of_main
from selcon_training.distributed.session import advise, join, main_first, together

__all__ = [
    "advise",
    "all_gather",
    "all_gather_objects",
    "all_reduce_mean",
    "all_reduce_sum",
    "any_rank",
    "barrier",
    "folder_of_main",
    "is_main",
    "join",
    "local_rows",
    "main_first",
    "names_where",
    "of_main",
    "rank",
    "shard",
    "together",
    "world_size",
]
