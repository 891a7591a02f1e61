"""Train the small encoders on the renders, with every label the renderer knows.

They stand in for what DINO and CLIP bring from the world's images: keys that tell parts apart, class
attention on the foreground, and patches that match the name of their object and, for whole objects, what
one does with it. The two have nothing in common but the images, so each is trained by a run of its own.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.files.atomic_write import write_file, write_json, writing
from selcon_ros.core.files.json_file import read_object
from selcon_tabletop.encoders import INPUT_SIZE
from selcon_tabletop.pretrain_models import ClipPretraining, PartPretraining
from selcon_tabletop.views import LabelledImage, find_images, make_batch
from selcon_training.data.ordering import Stream, generator
from selcon_training.encoders.torch_files import why_unreadable
from selcon_training.training.factory import training_device
from selcon_training.training.process import set_up_process

ENCODERS = ("dino", "clip")
EPOCHS = {"dino": 3, "clip": 2}  # of the packaged model: a step of the latter costs half as much again


@dataclass(frozen=True)
class PretrainOptions:
    """Length and pace of an encoder's training; `epochs` None is its number in EPOCHS."""

    epochs: int | None = None
    batch: int = 16
    learning_rate: float = 1e-3
    seed: int = 0
    save_every: int = 100


def pretrain_all(
    which: Sequence[str],
    data: Path,
    out: Path,
    options: PretrainOptions,
    resume: Collection[str] = (),
    threads: int | None = None,
) -> dict[str, dict[str, float]]:
    """Run `pretrain` for every encoder named in `which`; several side by side in processes of their own.

    Those in `resume` go on from their kept state. `threads` for each defaults to an equal share of the cores.
    Returns the losses by encoder; raises as `pretrain` does.
    """
    for name in set(resume).intersection(which):
        _begun(out, name)
    processes = len(which)
    if processes < 2:
        return {name: pretrain(name, data, out, options, name in resume, threads) for name in which}
    share = threads or max(1, (os.cpu_count() or 1) // processes)
    # Spawned, because a fork would inherit torch's locked thread pools.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        runs = {
            name: pool.submit(pretrain, name, data, out, options, name in resume, share, place)
            for place, name in enumerate(which)
        }
        return {name: run.result() for name, run in runs.items()}


def pretrain(
    which: str,
    data: Path,
    out: Path,
    options: PretrainOptions,
    resume: bool = False,
    threads: int | None = None,
    row: int = 0,
) -> dict[str, float]:
    """Train the encoder named `which` ("dino" or "clip") on the renders under `data`; write
    `<which>.safetensors` into `out`.

    Every `save_every` steps the state is kept beside it, from which `resume` goes on exactly. The progress
    bar is in the given `row` of the terminal. Returns the mean losses of the last 50 steps. Raises
    SelconError where there is nothing to train on or to resume.
    """
    actions = read_object(data / "dataset.json", SelconError).get("actions")
    if not isinstance(actions, list) or not all(isinstance(action, str) for action in actions):
        raise SelconError(f"{data / 'dataset.json'}: actions must be a list of names; render the data again")
    epochs = options.epochs or EPOCHS[which]
    options = replace(options, epochs=epochs)
    set_up_process(threads=threads, seed=options.seed)
    device = training_device("auto")
    model = PartPretraining() if which == "dino" else ClipPretraining(actions)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = _Run(model, _begun(out, which) if resume else _state(out, which), options)
    out.mkdir(parents=True, exist_ok=True)
    first = run.restore() if resume else 0
    items = find_images(data, actions)
    total = epochs * (len(items) // options.batch)
    if total < 1:
        raise SelconError(f"{data} holds {len(items)} images, fewer than a batch of {options.batch}")
    recent: list[dict[str, float]] = []
    with tqdm(
        total=total, initial=first, desc=f"pretrain {which}", unit="step", mininterval=2, position=row
    ) as bar:
        for step in range(first, total):
            batch = make_batch(
                _pick(items, step, options),
                actions,
                INPUT_SIZE,
                generator(options.seed, Stream.SAMPLE_VIEW, step),
            ).to(device)
            recent = [*recent[-49:], run.step(model.losses(batch), _rate(step, total, options.learning_rate))]
            bar.set_postfix(_means(recent), refresh=False)
            bar.update()
            if (step + 1) % options.save_every == 0:
                run.save(step + 1)
    write_file(out / f"{which}.safetensors", save(model.encoder_state()))
    summary = {"options": asdict(options), "images": len(items), "losses": _means(recent)}
    write_json(out / f"{which}.json", summary)
    return _means(recent)


def _state(out: Path, which: str) -> Path:
    return out / f"{which}.state.pt"


def _begun(out: Path, which: str) -> Path:
    """Return the state that an encoder goes on from; raises SelconError where there is none."""
    file = _state(out, which)
    if not file.is_file():
        raise SelconError(f"nothing to resume: {file} does not exist")
    return file


class _Run:
    """The optimiser of one training, and its state on disk."""

    def __init__(self, model: nn.Module, file: Path, options: PretrainOptions) -> None:
        self.model, self.file, self.options = model, file, options
        matrices = [p for p in model.parameters() if p.ndim > 1]
        vectors = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98))

    def step(self, losses: dict[str, Tensor], rate: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def save(self, step: int) -> None:
        state = {
            "pupil": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": step,
            "options": asdict(self.options),
        }
        with writing(self.file) as stream:
            torch.save(state, stream)

    def restore(self) -> int:
        """Load the kept state; return the step to go on from."""
        try:
            state = torch.load(self.file, weights_only=True, map_location="cpu")
        except Exception as error:  # whatever a damaged file makes of itself
            raise SelconError(f"{self.file} cannot be read: {why_unreadable(error)}") from None
        kept = state.get("options") if isinstance(state, dict) else None
        if kept != asdict(self.options):
            raise SelconError(
                f"{self.file} was made with {kept}, not {asdict(self.options)}; resume with the same options"
            )
        try:
            self.model.load_state_dict(state["pupil"])
            self.optimiser.load_state_dict(state["optimiser"])
            return int(state["step"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise SelconError(f"{self.file} is damaged: {first_line(error)}; begin anew") from None


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]} if rows else {}


def _rate(step: int, total: int, peak: float) -> float:
    """Return the learning rate: warmed up over 100 steps, then a cosine to zero."""
    return peak * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / total))


def _pick(items: list[LabelledImage], step: int, options: PretrainOptions) -> list[LabelledImage]:
    """Return the batch of a step: each epoch is one pass in an order of its own."""
    epoch, place = divmod(step, len(items) // options.batch)
    order = generator(options.seed, Stream.EPOCH_ORDER, epoch).permutation(len(items))
    return [items[i] for i in order[place * options.batch : (place + 1) * options.batch]]
