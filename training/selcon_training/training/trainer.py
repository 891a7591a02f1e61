"""Training from a configuration: steps, progress, logs, validation, checkpoints."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from tqdm import tqdm

from selcon_training import distributed
from selcon_training.confidence.false_rate import FalseRates, fit_for_rate
from selcon_training.confidence.fitting import Fitted, fit_confidence
from selcon_training.config import TrainConfig
from selcon_training.data.ordering import prefetch
from selcon_training.errors import CheckpointNotWritten
from selcon_training.models.network import Network
from selcon_training.training import run_folder
from selcon_training.training.prepare import Run, prepare_run
from selcon_training.training.run_folder import Position
from selcon_training.training.run_log import RunLog
from selcon_training.training.train_step import TrainingError, numbers
from selcon_training.training.validation import MapValidator

__all__ = ["TrainLoop", "Trainer", "TrainingError"]


class TrainLoop:
    """The training of a prepared run: steps, progress, logs, validation, checkpoints, the confidence at the
    end.
    """

    def __init__(self, run: Run) -> None:
        self.config, self.data, self.learned = run.config, run.data, run.learned
        self.net, self.task, self.stepper = run.net, run.task, run.stepper
        self.validator, self.negatives = run.validator, run.negatives
        self.position, self.metrics = run.position, run.metrics
        self._lock = run.lock
        self.device, self.steps = run.stepper.device, run.stepper.steps
        self.confidence: Fitted | None = None
        self._raw: dict[str, Any] = {"metrics": {}, "confidence": None}
        self._told_to_stop = self._stop = False
        self._unsaved: CheckpointNotWritten | None = None

    @property
    def shown(self) -> Network:
        """The network that is validated and exported: of averaged weights where they are averaged."""
        return self.net if self.stepper.ema is None else self.stepper.ema.net

    def run(self, max_steps: int | None = None) -> bool:
        """Train to the end, or at most `max_steps` steps; returns whether the run is complete.

        A run that was complete already is left as it is.
        Ctrl-C or SIGTERM ends it after the current step with a checkpoint. A checkpoint on the way that
        cannot be written is told and tried again at the next; raises CheckpointNotWritten if that is the
        last one, TrainingError for a loss or gradient that is not finite.
        """
        try:
            return self.position.epoch >= self.config.schedule.epochs or self._train(max_steps)
        finally:
            if self._lock is not None:
                self._lock.release()

    def _train(self, max_steps: int | None) -> bool:
        total = self.steps * self.config.schedule.epochs
        done = self.position.epoch * self.steps + self.position.step
        log = RunLog(self.config.output, done, self.position.epoch) if distributed.is_main() else None
        bar = tqdm(
            total=total,
            initial=done,
            unit="step",
            desc=self.config.name,
            dynamic_ncols=True,
            disable=log is None,
        )
        left = max_steps if max_steps is not None else total
        self._advise(self.position if done else None)
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
            if log is not None:
                log.close()
        return complete

    def _epoch(self, log: RunLog | None, bar: Any, limit: int) -> int:
        """Do the rest of an epoch, or `limit` steps of it; returns how many were done."""
        epoch, began = self.position.epoch, time.monotonic()
        last_step = min(self.steps, self.position.step + limit)
        jobs = (self.task.job(epoch, step) for step in range(self.position.step, last_step))
        sums: dict[str, Tensor] = {}
        done = 0
        for batch in prefetch(jobs, self.config.data_threads, ahead=2 + self.config.data_threads):
            losses = self.stepper.step(batch, epoch, self.position.step)
            self.position.step += 1
            done += 1
            number = epoch * self.steps + self.position.step
            bar.update()
            for name, value in losses.items():
                sums[name] = sums[name] + value if name in sums else value
            logged = number % self.config.logging.every_steps == 0
            if logged or not self.stepper.guard.checks_lazily:
                self.stepper.raise_if_nonfinite()
            if logged:
                values = numbers(losses)
                if log is not None:
                    log.scalars("train", values, number)
                    log.scalars("rate", {"lr": self.stepper.rate}, number)
                bar.set_postfix(epoch=epoch + 1, loss=f"{values['loss']:.3f}", refresh=False)
            every = self.config.checkpoint.every_steps
            if every and number % every == 0:
                self._save()
            self._stop = distributed.any_rank(self._told_to_stop)
            if self._stop:
                break
        if self.position.step < self.steps:
            return done
        self.stepper.raise_if_nonfinite()
        self.position = Position(epoch + 1, 0)
        means = {name: value / max(1, done) for name, value in numbers(sums).items()}
        record = {"epoch": epoch + 1, "train": means, "seconds": round(time.monotonic() - began, 1)}
        last = epoch + 1 == self.config.schedule.epochs
        if self.validator is not None and (last or (epoch + 1) % self.config.validation.every_epochs == 0):
            self.metrics = record["validation"] = self.validator.run(self.shown)
        if log is not None:
            self._record(log, record, (epoch + 1) * self.steps)
            bar.write(f"epoch {epoch + 1}: " + _line(means, self.metrics), file=sys.stderr)
        if not last and (epoch + 1) % self.config.checkpoint.every_epochs == 0:
            self._save()
        return done

    def _record(self, log: RunLog, record: Mapping[str, Any], number: int) -> None:
        log.epoch(record)
        if "validation" not in record:
            return
        log.scalars("validation", record["validation"], number)
        count = self.config.logging.overlays
        if count and isinstance(self.validator, MapValidator):
            log.overlays(self.validator.overlays(self.shown, count), number)

    def _finish(self) -> None:
        self.confidence = self._fit(self.shown)
        if self.stepper.ema is not None and self.validator is not None:
            self._raw = {"metrics": self.validator.run(self.net), "confidence": self._fit(self.net)}

    def _fit(self, net: Network) -> Fitted | None:
        if not isinstance(self.validator, MapValidator):
            return None
        evidence = self.validator.evidence(net)
        if self.negatives is None or self.config.confidence is None:
            return fit_confidence(evidence)
        negatives = self.validator.evidence_of_negatives(net, self.negatives)
        chosen = self.config.confidence
        rates = FalseRates(chosen.false_rate, chosen.scene_false_rate, chosen.clutter_false_rate)
        return fit_for_rate(evidence, negatives, net.actions, rates)

    def _save(self) -> None:
        self.stepper.raise_if_nonfinite()
        self._advise(self.position)
        if not distributed.is_main():
            return
        models = {".": (self.shown, self._meta(self.metrics, self.confidence))}
        if self.stepper.ema is not None:
            models[run_folder.RAW_FOLDER] = (self.net, self._meta(**self._raw))
        place = {"epoch": self.position.epoch, "step": self.position.step, "metrics": self.metrics}
        try:
            run_folder.save_run(self.config.output, models, place | self.stepper.state())
            self._unsaved = None
        except CheckpointNotWritten as error:
            self._unsaved = error
            text = f"warning: {error}; training goes on and tries again at the next checkpoint"
            tqdm.write(text, file=sys.stderr)

    def _advise(self, saved: Position | None) -> None:
        """Say how to go on from the last checkpoint, at `saved`, if a process is lost."""
        if saved is None:
            distributed.set_recovery_advice("; there is no checkpoint yet: start all processes again")
            return
        distributed.set_recovery_advice(
            f"; the last checkpoint, of epoch {saved.epoch + 1}, step {saved.step}, is in "
            f"{self.config.output} of rank 0: start all processes again with --resume"
        )

    def _meta(self, metrics: dict[str, float], confidence: Fitted | None) -> dict[str, Any]:
        config = self.config
        record = {"confidence": confidence.record} if confidence and confidence.record else {}
        return {
            "name": config.name,
            "description": config.description,
            "licence": config.licence,
            "calibration": config.calibration,
            "gamma": config.gamma,
            "fit": config.data.fit_in_use,
            "averaging": config.inference.model_dump(mode="json"),
            "confidence": None if confidence is None else confidence.curves(),
            "training": {
                **self.learned,
                "epochs": self.position.epoch,
                "seed": config.seed,
                "encoders_trained": list(config.trained),
                **({"earlier": dict(self.net.earlier)} if self.net.earlier else {}),
            },
            "metrics": {"validation": metrics, **record},
        }

    @contextmanager
    def _stopping_gently(self) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            self._told_to_stop = True

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


class Trainer(TrainLoop):
    """One run from a configuration. With `resume` it goes on from the run's checkpoint if there is one.
    Raises what `prepare_run` raises.

    Resuming gives bit for bit what an uninterrupted run gives (same machine, same number of threads): orders,
    crops and partners depend on seed, epoch and position only, everything else is in the checkpoint. Under
    torchrun, within `distributed.process_group`, the processes share every batch and every validation; the
    first one writes and prints.
    """

    def __init__(self, config: TrainConfig, resume: bool = False) -> None:
        super().__init__(prepare_run(config, resume))


def _line(losses: Mapping[str, float], metrics: Mapping[str, float]) -> str:
    shown = {**losses, **{name: value for name, value in metrics.items() if "/" not in name}}
    return "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
