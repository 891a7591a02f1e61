"""Files of torch: what beside weights does no harm, and what is refused."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from selcon_training.encoders import load_dino, weights_digest
from selcon_training.encoders.weight_files import read_state_dict
from selcon_training.errors import EncoderError
from support import nets

SIZE = (160, 160)
ONE = torch.ones(1)


@pytest.fixture
def dino():
    torch.manual_seed(0)
    return nets.named_vit()


@pytest.mark.parametrize("nested", [True, False])
def test_numbers_of_numpy_beside_the_weights_do_no_harm(tmp_path, dino, nested):
    beside = {"best": np.float64(0.7), "step": np.int64(3), "on": np.bool_(True), "epoch": 2, "to": Path("x")}
    weights = {"state_dict": dino.state_dict()} if nested else dict(dino.state_dict())
    torch.save(weights | beside, tmp_path / "a.pth")
    encoder = load_dino({"name": "test_vit", "weights": str(tmp_path / "a.pth")}, SIZE)
    assert encoder.spec.sha256 == weights_digest(dino)


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_numbers_of_older_and_newer_numpys_are_known(tmp_path, module):
    """The module that makes them was renamed; torch's older format can be renamed in as text."""
    file = io.BytesIO()
    torch.save({"a": ONE, "best": np.float64(0.7)}, file, _use_new_zipfile_serialization=False)
    content = re.sub(rb"cnumpy\.\w+\.multiarray\n", b"c" + module + b"\n", file.getvalue())
    assert module in content
    (tmp_path / "a.pth").write_bytes(content)
    assert set(read_state_dict(tmp_path / "a.pth")) == {"a"}


def test_weights_as_numpy_arrays_are_named(tmp_path):
    torch.save({"a.weight": np.zeros((2, 2), np.float32), "b": ONE}, tmp_path / "a.pth")
    with pytest.raises(EncoderError, match=r"a\.weight is a numpy array \(1 of its 2 entries are\)"):
        read_state_dict(tmp_path / "a.pth")


class Harmless:
    """An object of a class of one's own: harmless, but nobody can know."""


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"state_dict": {"a": ONE}, "config": Harmless()}, "it holds an object of .*Harmless"),
        ({"epoch": 3}, "holds no state dict .*, but epoch"),
        ([ONE], "holds no state dict .* but a list"),
    ],
)
def test_what_cannot_be_read_is_named_without_advice_to_load_it_unsafely(tmp_path, state, told):
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(EncoderError, match=told) as caught:
        read_state_dict(tmp_path / "a.pth")
    assert "weights_only" not in str(caught.value) and "safe_globals" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
