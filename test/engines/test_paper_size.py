"""A network of the paper's widths, which no test can run on a GPU here, is built ahead for two of them."""

import gc

import onnx
import pytest
import torch

from selcon_ros.core.bundle import Bundle, load_bundle
from selcon_ros.engines.build import Shapes, build
from selcon_ros.engines.frames import with_frames
from selcon_ros.engines.graph import graph_of
from selcon_ros.engines.half import in_half
from selcon_ros.engines.kinds import KINDS
from selcon_training.data.known import CLASS_LISTS
from selcon_training.encoders import DenseClip, PartEncoder
from selcon_training.export import export_bundle
from selcon_training.model import SelconNet
from support.engines import layer_types
from support.nets import CLIP, OPEN_CLIP_TOWER, TEXT, tokenizer, vit

pytest.importorskip("tensorrt_rtx")
SIZE = (224, 224)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """ViT-B/16 and ViT-S/16 with 3 of their 12 blocks, which are alike; the text is not in the graph."""
    torch.manual_seed(0)
    tower = OPEN_CLIP_TOWER | {"width": 768, "head_width": 64}
    clip = DenseClip(CLIP(512, tower, TEXT, quick_gelu=True).eval(), SIZE, tokenizer=tokenizer())
    dino = PartEncoder(vit(embed_dim=384, num_heads=6), SIZE)
    net = SelconNet(clip, dino, CLASS_LISTS["seen"]).eval()
    out = tmp_path_factory.mktemp("bundle") / "wide"
    export_bundle(net, out, name="wide", description="Random weights.", licence="Apache-2.0")
    return load_bundle(out)


def test_is_built_in_half_precision(bundle: Bundle) -> None:
    half, kept = in_half(with_frames(graph_of(bundle), bundle.manifest), [])
    assert kept == ()
    onnx.checker.check_model(half)
    graph = half.SerializeToString()
    del half
    gc.collect()
    types = layer_types(graph)
    assert types["MATRIX_MULTIPLY"] | types["CONVOLUTION"] == {"HALF"}
    assert types["SOFTMAX"] == types["NORMALIZATION"] == {"FLOAT"}
    rtx = KINDS["tensorrt_rtx"]
    shares: list[float] = []
    shapes = Shapes(SIZE, (1, 1, 4), (1080, 1920))
    built = build(rtx, graph, shapes, ("8.6", "12.0"), lambda phase, share: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1
    # Weights at 2 bytes each, and little else.
    assert 0.4 < len(built.engine) / len(bundle.model) < 0.8
    assert built.layers["half"] > built.layers["float"] > 0
