"""Memory that a step frees is there for the next one."""

import resource

import torch

from selcon_training.training.memory import keep_freed_memory
from support.processes import exit_code, in_a_process

PAGES = (64 << 20) // resource.getpagesize()


def page_faults_of_large_tensors():
    def step():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            torch.ones(16 << 20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    return [step() for _ in range(8)][-1]


def test_large_tensors_do_not_cost_new_pages_every_time():
    def given_back():
        assert page_faults_of_large_tensors() > PAGES

    def kept():
        assert keep_freed_memory()
        assert page_faults_of_large_tensors() < PAGES / 10

    torch.set_num_threads(1)
    for work in (given_back, kept):
        assert exit_code(in_a_process(work)) == 0
