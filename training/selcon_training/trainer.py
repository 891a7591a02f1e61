"""The training loop: steps, progress, logs, validation, checkpoints, exact resume."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor
from tqdm import tqdm

from selcon_ros.core.errors import SelconError
from selcon_training import run_state
from selcon_training.building import (
    build_net,
    make_task,
    make_validator,
    set_batch_norm_momentum,
    set_trainable,
    training_device,
    training_mode,
)
from selcon_training.checkpoint import load_model
from selcon_training.confidence import fit_confidence
from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.layout import open_dataset
from selcon_training.data.sampling import prefetch
from selcon_training.determinism import set_deterministic
from selcon_training.errors import CheckpointError, CheckpointNotWritten
from selcon_training.finite import Guard, save_batch
from selcon_training.model import SelconNet
from selcon_training.optimisers import clip_gradients, make_optimiser, rate_factor, set_rate
from selcon_training.run_log import RunLog
from selcon_training.run_state import Position
from selcon_training.validation import MapValidator
from selcon_training.weight_average import Average


class TrainingError(SelconError):
    """Training cannot go on: a loss or gradient is not finite."""


class Trainer:
    """One run from a configuration. With ``resume`` it goes on from the run's checkpoint if there is one.

    Resuming gives bit for bit what an uninterrupted run gives (same machine, same number of threads): orders,
    crops and partners depend on seed, epoch and position only, everything else is in the checkpoint.
    """

    def __init__(self, config: TrainConfig, resume: bool = False) -> None:
        self.config = config
        folder = run_state.checkpoint_folder(config.output)
        found = folder.is_dir()
        if found and not resume:
            raise ConfigError(
                f"{config.output} already holds a run: use --resume to go on, or another output folder"
            )
        set_deterministic(config.deterministic)
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        cv2.setNumThreads(1)  # the data threads are the parallelism
        torch.manual_seed(config.seed)
        self.device = training_device(config.device)
        self.data = open_dataset(config.data.root, config.data.divide, config.data.skip)
        try:
            run_state.clean_up(config.output)
            run_state.record_config(config, resume=found)
            run_state.record_data(config, self.data, resume=found)
        except OSError as error:
            raise ConfigError(f"cannot write in output = {config.output}: {error.strerror}") from error
        folder = run_state.checkpoint_folder(config.output)
        self.metrics: dict[str, float] = {}
        self.confidence: dict[str, list[float]] | None = None
        if found:
            self.net, _ = load_model(run_state.raw_folder(folder))
        else:
            self.net = build_net(config, self.data)
        self.net.to(self.device)
        if config.channels_last:
            self.net.heads.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        set_trainable(self.net, config.encoders.train)
        training_mode(self.net, config.encoders.train)
        set_batch_norm_momentum(self.net, config.batch_norm_momentum)
        self.task = make_task(config, self.data, self.net)
        if self.task.learnables is not None:
            self.task.learnables.to(self.device)
        fused = self.device.type == "cuda"
        self.optimiser = make_optimiser(self.net, config.optimiser, self.task.learnables, fused)
        self.average = None
        if config.ema is not None:
            self.average = Average(self.net, config.encoders.train, config.ema.decay)
        self.position = Position()
        if found:
            self._restore(folder)
        self.guard = Guard(self.optimiser, self.device)
        self.validator = make_validator(config, self.data, self.net)
        self.steps = self.task.steps()
        self._raw: dict[str, Any] = {"metrics": {}, "confidence": None}
        self._stop = False
        self._unsaved: CheckpointNotWritten | None = None

    @property
    def shown(self) -> SelconNet:
        """The network that is validated and exported: of averaged weights where they are averaged."""
        return self.net if self.average is None else self.average.net

    def run(self, max_steps: int | None = None) -> bool:
        """Train to the end, or at most ``max_steps`` steps; returns whether the run is complete.

        A run that was complete already is left as it is.
        Ctrl-C or SIGTERM ends it after the current step with a checkpoint. A checkpoint on the way that
        cannot be written is told and tried again at the next; raises CheckpointNotWritten if that is the
        last one, TrainingError for a loss or gradient that is not finite.
        """
        if self.position.epoch >= self.config.schedule.epochs:
            return True
        total = self.steps * self.config.schedule.epochs
        done = self.position.epoch * self.steps + self.position.step
        log = RunLog(self.config.output, done, self.position.epoch)
        bar = tqdm(total=total, initial=done, unit="step", desc=self.config.name, dynamic_ncols=True)
        left = max_steps if max_steps is not None else total
        try:
            with self._stopping_gently():
                while self.position.epoch < self.config.schedule.epochs and left > 0 and not self._stop:
                    left -= self._epoch(log, bar, left)
            complete = self.position.epoch >= self.config.schedule.epochs
            if complete:
                self._finish()
            self._save()
            if self._unsaved is not None:
                raise self._unsaved
        finally:
            bar.close()
            log.close()
        return complete

    def _epoch(self, log: RunLog, bar: Any, limit: int) -> int:
        """Do the rest of an epoch, or ``limit`` steps of it; returns how many were done."""
        epoch, began = self.position.epoch, time.monotonic()
        last_step = min(self.steps, self.position.step + limit)
        jobs = (self.task.job(epoch, step) for step in range(self.position.step, last_step))
        sums: dict[str, Tensor] = {}
        done = 0
        for batch in prefetch(jobs, self.config.data_threads, ahead=2 + self.config.data_threads):
            losses = self._step(batch, epoch, self.position.step)
            self.position.step += 1
            done += 1
            number = epoch * self.steps + self.position.step
            bar.update()
            for name, value in losses.items():
                sums[name] = sums[name] + value if name in sums else value
            logged = number % self.config.logging.every_steps == 0
            if logged or not self.guard.lags:
                self._insist_on_finite()
            if logged:
                values = _numbers(losses)
                log.scalars("train", values, number)
                log.scalars("rate", {"lr": self.optimiser.param_groups[0]["lr"]}, number)
                bar.set_postfix(epoch=epoch + 1, loss=f"{values['loss']:.3f}", refresh=False)
            every = self.config.checkpoint.every_steps
            if every and number % every == 0:
                self._save()
            if self._stop:
                break
        if self.position.step < self.steps:
            return done
        self._insist_on_finite()
        self.position = Position(epoch + 1, 0)
        means = {name: value / max(1, done) for name, value in _numbers(sums).items()}
        record = {"epoch": epoch + 1, "train": means, "seconds": round(time.monotonic() - began, 1)}
        last = epoch + 1 == self.config.schedule.epochs
        if self.validator is not None and (last or (epoch + 1) % self.config.validation.every_epochs == 0):
            self.metrics = self.validator.run(self.shown)
            record["validation"] = self.metrics
            log.scalars("validation", self.metrics, (epoch + 1) * self.steps)
            if self.config.logging.overlays and isinstance(self.validator, MapValidator):
                pictures = self.validator.overlays(self.shown, self.config.logging.overlays)
                log.overlays(pictures, (epoch + 1) * self.steps)
        log.epoch(record)
        bar.write(f"epoch {epoch + 1}: " + _line(means, self.metrics))
        if not last and (epoch + 1) % self.config.checkpoint.every_epochs == 0:
            self._save()
        return done

    def _step(self, batch: Any, epoch: int, step: int) -> dict[str, Tensor]:
        """Returns the losses, float32 scalars on the device: nothing here waits for it."""
        config = self.config
        number = epoch * self.steps + step
        set_rate(self.optimiser, rate_factor(number, self.steps * config.schedule.epochs, config.schedule))
        losses = self._gradients(batch, epoch, step)
        clip_gradients(self.net.parameters(), config.optimiser.clip_norm)
        self.guard.step(losses["loss"], number)
        if self.average is not None:
            self.average.update()
        return losses

    def _gradients(self, batch: Any, epoch: int, step: int) -> dict[str, Tensor]:
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            losses: Mapping[str, Tensor] = self.task.losses(batch, epoch, step)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        return {name: value.detach().float() for name, value in losses.items()}

    def _insist_on_finite(self) -> None:
        """Raise TrainingError, with the batch on disk, if a step up to here was not finite."""
        number = self.guard.first_bad()
        if number is None:
            return
        # No weight has changed since, and a batch depends on its place alone: the step can be had again.
        epoch, step = divmod(number, self.steps)
        batch = self.task.job(epoch, step)()
        losses = self._gradients(batch, epoch, step)
        path = self.config.output / "nonfinite" / f"step_{number + 1}.safetensors"
        parameters = dict(self.net.named_parameters())
        if self.task.learnables is not None:
            parameters.update(self.task.learnables.named_parameters("learnables"))
        learning = {name: value for name, value in parameters.items() if value.requires_grad}
        try:
            bad = ", ".join(save_batch(path, batch, losses, learning)[:4]) or "none"
            saved = f"the batch is in {path}"
        except OSError as error:
            bad, saved = "not looked for", f"the batch could not be saved in {path}: {error.strerror}"
        raise TrainingError(
            f"the loss or a gradient is not finite at epoch {epoch + 1}, step {step + 1}: "
            f"{_line(_numbers(losses), {})}; not finite: {bad}; {saved}; lower optimiser.lr or set "
            "optimiser.clip_norm and start again in another output folder"
        )

    def _finish(self) -> None:
        self.confidence = self._fit(self.shown)
        if self.average is not None and self.validator is not None:
            self._raw = {"metrics": self.validator.run(self.net), "confidence": self._fit(self.net)}

    def _fit(self, net: SelconNet) -> dict[str, list[float]] | None:
        if not isinstance(self.validator, MapValidator):
            return None
        fit = fit_confidence(self.validator.evidence(net), len(net.actions))
        return None if fit is None else {"scale": list(fit.scale), "offset": list(fit.offset)}

    def _save(self) -> None:
        self._insist_on_finite()
        models = {".": (self.shown, self._meta(self.metrics, self.confidence))}
        if self.average is not None:
            models[run_state.RAW] = (self.net, self._meta(**self._raw))
        learnables = self.task.learnables
        state = {
            "epoch": self.position.epoch,
            "step": self.position.step,
            "optimiser": self.optimiser.state_dict(),
            "learnables": learnables.state_dict() if learnables is not None else {},
            "averaged": self.average.count if self.average is not None else 0,
            "metrics": self.metrics,
            "generator": torch.get_rng_state(),
        }
        try:
            run_state.save_run(self.config.output, models, state)
            self._unsaved = None
        except CheckpointNotWritten as error:
            self._unsaved = error
            tqdm.write(f"warning: {error}; training goes on and tries again at the next checkpoint")

    def _restore(self, folder: Path) -> None:
        state = run_state.read_state(folder, self.device)
        try:
            self.optimiser.load_state_dict(state["optimiser"])
            if self.task.learnables is not None:
                self.task.learnables.load_state_dict(state["learnables"])
            if self.average is not None:
                self.average.restore(folder, state["averaged"])
            torch.set_rng_state(state["generator"].cpu())
            self.metrics = state["metrics"]
            self.position = Position(state["epoch"], state["step"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{folder} does not belong to this run: {error}") from error

    def _meta(
        self, metrics: dict[str, float], confidence: dict[str, list[float]] | None
    ) -> dict[str, Any]:
        config = self.config
        return {
            "name": config.name,
            "description": config.description,
            "licence": config.licence,
            "calibration": config.calibration,
            "gamma": config.gamma,
            "averaging": config.inference.model_dump(mode="json"),
            "confidence": confidence,
            "training": {
                "supervision": config.supervision,
                "data": self.data.name,
                "divide": config.data.divide,
                "synthetic": self.data.synthetic,
                "epochs": self.position.epoch,
                "seed": config.seed,
                "encoders_trained": list(config.encoders.train),
            },
            "metrics": {"validation": metrics},
        }

    @contextmanager
    def _stopping_gently(self) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            self._stop = True

        former = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                former[number] = signal.signal(number, stop)
        except ValueError:  # not in the main thread: nobody sends us signals
            former = {}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def _numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars as floats; waits for the device, once for all."""
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True)) if values else {}


def _line(losses: Mapping[str, float], metrics: Mapping[str, float]) -> str:
    shown = {**losses, **{name: value for name, value in metrics.items() if "/" not in name}}
    return "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
