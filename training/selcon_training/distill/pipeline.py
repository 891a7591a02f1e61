"""The whole of `selcon distill`: a teacher and pictures in; bundle, report and figures out."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.grounding.bundle import Bundle, load_bundle, write_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.placement import Canvas
from selcon_ros.core.machine.timing import time_alternately
from selcon_ros.core.pictures.picture_files import read_image
from selcon_training import distributed
from selcon_training.config import TrainConfig
from selcon_training.data.chosen_split import ChosenSplit
from selcon_training.data.ordering import spread
from selcon_training.distill.answers import Store, Teacher
from selcon_training.distill.measure import HeldOut, compare, figures, fit_to_teacher
from selcon_training.distill.pictures import (
    HashedPicture,
    Survey,
    ask,
    hold_out,
    list_pictures,
    require_answers,
)
from selcon_training.distill.plan import DistillPlan, build, configuration
from selcon_training.distill.report import write_report
from selcon_training.distill.task import DistillTask
from selcon_training.distill.truth import compare_on_truth, refuse_learned
from selcon_training.errors import DistillError
from selcon_training.export.bundle import export_checkpoint, picked_samples
from selcon_training.models.network import Network
from selcon_training.training.prepare import Run, begin, prepare_folder, take_up, write_record
from selcon_training.training.run_folder import checkpoint_folder
from selcon_training.training.trainer import TrainLoop

TIMING_THREADS = 2
"""Of either engine while they are timed."""
TIMING_ROUNDS, TIMING_RUNS = 10, 2


@dataclass(frozen=True)
class Places:
    """Where things lie: the bundle to write, the folder of the report, that of the training run with the
    teacher's answers, and a folder of pictures to put into the bundle as samples (None: the teacher's)."""

    out: Path
    report: Path
    work: Path
    samples: Path | None = None


def distill(
    teacher_path: Path,
    photos: Path,
    places: Places,
    plan: DistillPlan,
    truth: ChosenSplit | None = None,
    resume: bool = False,
    max_steps: int | None = None,
) -> dict[str, Any] | None:
    """Teach a student what a bundle answers about the pictures in `photos`, and write it as a bundle.

    Returns the figures; None where training was stopped, by Ctrl-C or after `max_steps`, and can go on with
    `resume`, which gives what an uninterrupted run gives. Raises DistillError where the student's mean KLD
    from the teacher on pictures held out is above `plan.max_kld`: then the report is written, the bundle is
    not. Raises DataError, ConfigError, EncoderError and BundleError for what cannot be used.
    """
    teacher = Teacher(teacher_path, plan.threads)
    files = list_pictures(photos)
    config = configuration(plan, photos, places.work, teacher)
    device, found = begin(config, resume)
    if distributed.world_size() > 1:
        raise DistillError("a student is taught by one process: start selcon distill without torchrun")
    fresh = None if found else build(config, teacher)  # a wrong name is told before the teacher is asked
    store = Store(places.work / "teacher" / teacher.sha256[:16], len(teacher.manifest.actions))
    survey = ask(teacher, photos, files, store)
    for line in survey.messages():
        tqdm.write(f"warning: {line}", file=sys.stderr)
    learned, held = hold_out(survey.photos, config.validation.held_out, config.seed)
    require_answers(teacher, store, held)
    if truth is not None:
        refuse_learned(truth, teacher.manifest.actions, learned)
    record = {
        "fingerprint": survey.fingerprint,
        "images": {"pictures": len(survey.photos)},
        "beside": {"teacher": teacher.sha256},
    }
    lock = prepare_folder(config, photos, record, found)

    def student() -> Network:
        assert fresh is not None
        return fresh

    parts = take_up(config, device, found, student, lambda net: DistillTask(config, learned, store, net))
    net = parts.net
    validator = HeldOut(
        spread(held, config.validation.limit),
        store,
        teacher.fitted,
        Canvas(net.input_size, net.map_grid, config.data.fit_in_use),
        config.validation.batch_size,
    )
    lock = write_record(config, record, lock)
    about = _about(teacher, config, survey, photos)
    loop = TrainLoop(Run(config, **parts._asdict(), validator=validator, learned=about, lock=lock))
    if not loop.run(max_steps):
        return None
    return _finish(teacher, config, places, plan, truth, survey, (learned, held), store)


def _about(teacher: Teacher, config: TrainConfig, survey: Survey, photos: Path) -> dict[str, Any]:
    """What the manifest says of supervision and data: a student knows what its teacher knows."""
    given = teacher.manifest.training
    kept: dict[str, Any] = {key: given[key] for key in ("data", "synthetic", "real_pictures") if key in given}
    return {
        "supervision": "distilled",
        **kept,
        "distilled": {
            "photos": photos.name,
            "teacher": teacher.manifest.name,
            "teacher_model_sha256": teacher.manifest.files["model"].sha256,
            "teacher_training": given,
            "pictures": len(survey.photos),
            "pictures_sha256": survey.fingerprint,
            "held_out": config.validation.held_out,
        },
    }


def _finish(
    teacher: Teacher,
    config: TrainConfig,
    places: Places,
    plan: DistillPlan,
    truth: ChosenSplit | None,
    survey: Survey,
    dealt: tuple[Sequence[HashedPicture], Sequence[HashedPicture]],
    store: Store,
) -> dict[str, Any]:
    """Measure the trained student, and write report and bundle."""
    learned, held = dealt
    bundle = _exported(config, places, teacher)
    options = CpuOptions(plan.threads)
    student = Grounder(bundle, open_on_cpu(bundle, options))
    shown = tqdm(held, desc="measuring", unit="picture", dynamic_ncols=True)
    found = compare(student, shown, store, teacher.fitted)
    bundle = replace(bundle, manifest=replace(bundle.manifest, confidence=fit_to_teacher(found)))
    student = Grounder(bundle, student.backend)
    measured = figures(found, teacher.manifest.actions)
    assert config.backbone is not None
    result: dict[str, Any] = {
        "teacher": {"name": teacher.manifest.name, "sha256": teacher.sha256, "fitted": teacher.fitted},
        "student": {
            "name": bundle.manifest.name,
            "backbone": config.backbone.name,
            "start": str(config.backbone.bundle or config.backbone.weights or "random weights"),
            "input_size": list(bundle.manifest.input_size),
        },
        "pictures": len(survey.photos),
        "learned_from": len(learned),
        "held_out": len(held),
        "unreadable": len(survey.unreadable),
        "copies": survey.copies,
        "epochs": config.schedule.epochs,
        **measured,
        "time": _times(teacher, bundle, held[0].path),
        "truth": None if truth is None else compare_on_truth(truth, teacher, student),
        "max_kld": plan.max_kld,
    }
    kld = measured["overall"]["kld"]
    result["written"] = kld <= plan.max_kld
    if result["written"]:
        metrics = {key: result[key] for key in ("overall", "time", "truth", "learned_from", "held_out")}
        manifest = replace(bundle.manifest, metrics={"distilled": metrics})
        write_bundle(places.out, manifest, bundle.files)
    write_report(places.report, result, found, store, student)
    if not result["written"]:
        raise DistillError(
            f"{places.out} is not written: on {len(held)} pictures held out the student's KLD from its "
            f"teacher is {kld:.3f}, above {plan.max_kld:g} (--max-kld). See {places.report / 'report.html'}; "
            "more pictures and more --epochs help, then a larger --student or --size"
        )
    return result


def _exported(config: TrainConfig, places: Places, teacher: Teacher) -> Bundle:
    """The student's bundle, in memory."""
    samples = teacher.bundle.sample_files if places.samples is None else picked_samples(places.samples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        export_checkpoint(checkpoint_folder(config.output), path)
        bundle = load_bundle(path)
    return replace(bundle, files=bundle.files | samples)


def _times(teacher: Teacher, student: Bundle, picture: Path) -> dict[str, Any]:
    """Both engines on one picture in turns, image to maps."""
    frames = read_image(picture)[None]
    engines = {
        "teacher": open_on_cpu(teacher.bundle, CpuOptions(TIMING_THREADS)),
        "student": open_on_cpu(student, CpuOptions(TIMING_THREADS)),
    }
    found = time_alternately(
        {name: lambda engine=engine: engine.run(frames) for name, engine in engines.items()},  # type: ignore[misc]
        TIMING_ROUNDS,
        TIMING_RUNS,
    )
    ms = {name: round(times.median, 2) for name, times in found.items()}
    return {
        "threads": TIMING_THREADS,
        "runs": TIMING_ROUNDS * TIMING_RUNS,
        "milliseconds": ms,
        "p95": {name: round(times.p95, 2) for name, times in found.items()},
        "ratio": found["student"].median / found["teacher"].median,
    }
