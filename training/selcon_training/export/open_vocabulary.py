"""Actions outside the class list, on a workstation: the graphs that answer them, and asking them.

Only for a network with a text classifier. The robot's graph knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from selcon_ros.backends.options import thread_count
from selcon_ros.core.errors import BackendError, BundleError, UnknownActionError, first_line
from selcon_ros.core.grounding.actions import action_key
from selcon_ros.core.grounding.bundle import OPEN_ROLES, Bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.preprocess import preprocess
from selcon_training.encoders import clip_tokenizer, load_clip
from selcon_training.encoders.clip import action_prompt
from selcon_training.errors import ExportError
from selcon_training.export.onnx_trace import BATCH_AXIS, trace_graph
from selcon_training.models.network import example_images
from selcon_training.models.selcon_net import SelconNet
from selcon_training.models.test_time_averaging import Averaging, averaged

MAX_ACTION_LENGTH = 60
"""Characters of an action: a longer sentence is no action, and CLIP would cut it off."""
_MAX_DEVIATION = 1e-3


class _OpenGraph(nn.Module):
    """Image and text features in, the maps of those texts out."""

    def __init__(self, net: SelconNet, averaging: Averaging, affinity: bool) -> None:
        super().__init__()
        self.averaged = averaged(net, averaging)
        self.affinity = affinity

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        return cast(tuple[Tensor, ...], self.averaged(image, text)[: 2 if self.affinity else 1])


class _TextGraph(nn.Module):
    """Tokens [N, 77] int64 in, L2-normalised features [N, d] out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return F.normalize(self.model.encode_text(tokens).float(), dim=-1)


def open_files(net: SelconNet, averaging: Averaging, affinity: bool) -> dict[str, bytes]:
    """Return the ONNX graphs of a bundle's open vocabulary by role, each compared with torch.

    "open_model": image [B, 3, h, w] and text [N, d] give cam and, if wanted, affinity [B, N, gh, gw].
    "open_text": tokens [N, length] int64 give the text. `net` is in evaluation mode on the CPU. Raises
    ExportError for a linear classifier and for a text encoder that is not to be had or not the one that the
    network was trained with.
    """
    if net.classifier != "text":
        raise ExportError(
            "an open vocabulary needs a classifier made of text; this one is linear and knows its class "
            "list only: train with classifier: text"
        )
    spec = net.clip.spec
    if spec is None or spec.weights is None:
        raise ExportError(
            f"an open vocabulary needs the text encoder of {net.clip.name}, whose weights are not named: "
            "train with encoders.clip.weights, a tag or a file"
        )
    tokenizer = clip_tokenizer(spec.name)
    text_graph = _TextGraph(load_clip(spec, net.input_size).text_model()).eval()
    prompts = [action_prompt(action) for action in net.actions]
    tokens = tokenizer(prompts)
    with torch.no_grad():
        deviation = float((text_graph(tokens) - net.text_action).abs().max())
    if not deviation <= _MAX_DEVIATION:
        raise ExportError(
            f"the text encoder of {spec.name} ({spec.weights}) is not the one that the network was trained "
            f"with: features of its own actions deviate by {deviation:.3g}"
        )
    image, several = example_images(net.input_size)
    outputs = ["cam", *(["affinity"] if affinity else [])]
    return {
        "open_model": trace_graph(
            _OpenGraph(net, averaging, affinity).eval(),
            {"image": image, "text": net.text_action},
            outputs,
            dynamic={
                "image": {0: BATCH_AXIS},
                "text": {0: "actions"},
                **{name: {0: BATCH_AXIS, 1: "actions"} for name in outputs},
            },
            again={"image": several, "text": net.text_action[:1]},
        ),
        "open_text": trace_graph(
            text_graph,
            {"tokens": tokens},
            ["text"],
            dynamic={"tokens": {0: "actions"}, "text": {0: "actions"}},
            again={"tokens": tokenizer(["an item to scoop with"])},
        ),
    }


def has_open_vocabulary(bundle: Bundle) -> bool:
    """Return whether the bundle's manifest names the files that answer any action."""
    return all(role in bundle.manifest.files for role in OPEN_ROLES)


def open_label(action: str) -> str:
    """Return an action as class lists write it: lower case, words joined by underscores.

    Raises UnknownActionError for an empty one and for one too long.
    """
    if not action_key(action):
        raise UnknownActionError("the action is empty: say what to do, for example 'scoop with'")
    if len(action) > MAX_ACTION_LENGTH:
        raise UnknownActionError(
            f"the action has {len(action)} characters: it must be a few words, at most {MAX_ACTION_LENGTH}"
        )
    return "_".join(action.casefold().replace("_", " ").replace("-", " ").split())


def open_grounder(bundle: Bundle, action: str, threads: int | None = None) -> Grounder:
    """Return a grounder that knows one action, any: `bundle` was loaded with OPEN_ROLES.

    Its confidence means nothing: none was fitted for the action. Raises BundleError for a bundle without
    open vocabulary, BackendError where its graphs do not fit the manifest.
    """
    if not has_open_vocabulary(bundle) or "clip" not in bundle.manifest.encoders:
        raise BundleError(f"bundle {bundle.path} has no open vocabulary: make it with selcon export --open")
    label = open_label(action)
    tokens = clip_tokenizer(bundle.manifest.encoders["clip"].name)([action_prompt(label)])
    (text,) = _OnnxGraph(bundle, "open_text", threads).run({"tokens": tokens.numpy()}, ["text"])
    manifest = replace(bundle.manifest, actions=(label,), confidence=None)
    return Grounder(replace(bundle, manifest=manifest), _OpenEngine(bundle, text, threads))


class _OpenEngine:
    """The open model as the grounder's engine, for one text."""

    def __init__(self, bundle: Bundle, text: NDArray[np.float32], threads: int | None) -> None:
        self.manifest, self.text = bundle.manifest, text
        self.graph = _OnnxGraph(bundle, "open_model", threads)

    def run(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        (frame,) = frames
        names = self.manifest.outputs
        maps = self.graph.run({"image": preprocess(frame, self.manifest), "text": self.text}, names)
        wanted = (1, len(self.text), *self.manifest.map_grid)
        for name, each in zip(names, maps, strict=True):
            if each.shape != wanted:
                raise BackendError(
                    f"{self.graph.subject}: output '{name}' is {each.shape}, the manifest asks for {wanted}"
                )
        return maps[0], maps[1] if len(maps) > 1 else None


class _OnnxGraph:
    """One of a bundle's open graphs in ONNX Runtime; BackendError for one that is not what it should be."""

    def __init__(self, bundle: Bundle, role: str, threads: int | None) -> None:
        self.subject = f"{role} of bundle {bundle.path}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count(threads)
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                bundle.files[role], sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{self.subject} cannot be opened: {first_line(error)}") from error

    def run(self, inputs: dict[str, Any], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        try:
            found: list[NDArray[np.float32]] = self.session.run(list(outputs), inputs)
        except Exception as error:  # likewise
            raise BackendError(f"{self.subject} failed: {first_line(error)}") from error
        return found
