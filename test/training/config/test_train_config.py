"""The configuration file: defaults are the paper's, mistakes are named."""

from pathlib import Path

import pytest
import yaml

from selcon_training.config import ConfigError, TrainConfig, load_config, parse_config
from selcon_training.config.encoders import EncodersConfig
from selcon_training.config.sections import DataConfig, MixConfig
from selcon_training.config.weak_objective import OFFICIAL_SWITCHES

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
LEAST = {"name": "x", "output": "runs/x", "data": {"root": "data"}}


def test_defaults_are_the_papers():
    config = parse_config(LEAST)
    assert (config.optimiser.kind, config.optimiser.lr, config.optimiser.momentum) == ("sgd", 1e-3, 0.9)
    assert config.optimiser.nesterov and config.optimiser.weight_decay == 5e-4
    assert (config.optimiser.bias_factor, config.optimiser.mlp_factor) == (2, 10)
    assert (config.schedule.batch_size, config.schedule.epochs, config.schedule.rate) == (8, 15, "constant")
    assert (config.data.exocentric, config.data.input_size, config.data.fit) == (3, (224, 224), "cover")
    assert config.data.zoom == (8 / 7, 8 / 7) and config.data.flip
    assert (config.weak.gamma, config.weak.alpha, config.weak.clusters) == (0.6, 0.6, 3)
    assert (config.weak.tau, config.weak.tau0, config.weak.piou) == (0.5, 0.07, "locate")
    assert config.supervision == "weak" and config.calibration == "continuous" and not config.encoders.train


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_packaged_configurations_are_valid(path):
    load_config(path)


@pytest.mark.parametrize("name", ["agd20k_seen", "agd20k_unseen", "hico_iif"])
def test_the_papers_configurations_name_every_constant_of_the_method(name):
    named = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    constants = {"gamma", "alpha", "clusters", "tau", "tau0", "lambda_proto", "lambda_pixel", "piou"}
    assert constants <= set(named["weak"]) and {"exocentric", "input_size", "zoom"} <= set(named["data"])
    assert {"lr", "momentum", "nesterov", "weight_decay", "bias_factor", "mlp_factor"} <= set(
        named["optimiser"]
    )
    assert {"epochs", "batch_size", "rate"} <= set(named["schedule"])
    # Named, and the same as what is left unnamed elsewhere.
    read, plain = load_config(CONFIGS / f"{name}.yaml"), parse_config(LEAST)
    assert read.weak == plain.weak and read.optimiser == plain.optimiser
    assert read.schedule.epochs == (50 if name == "hico_iif" else 15)


@pytest.mark.parametrize("name", ["agd20k_seen", "agd20k_unseen", "hico_iif"])
def test_the_papers_configurations_become_official_by_one_switch(name):
    config = load_config(CONFIGS / f"{name}.yaml", ["variant=official"])
    assert {key: getattr(config.weak, key) for key in OFFICIAL_SWITCHES} == OFFICIAL_SWITCHES


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sede": 1}, "sede: no such key .value 1"),
        ({"seed": -1}, "seed = -1: .*greater"),
        ({"data": {"root": "d", "zoom": [1.3, 1.0]}}, r"data.zoom = \[1.3, 1.0\]: .*smallest"),
        ({"data": {}}, "data.root: required"),
        ({"optimiser": {"kind": "adam"}}, "optimiser.kind = 'adam': .*sgd"),
        ({"weak": {"gama": 1}}, "weak.gama: no such key .value 1"),
        ({"weak": {"alpha": 2}}, "weak.alpha = 2: .*less than or equal to 1"),
        ({"encoders": {"train": ["clip"], "cache_features": True}}, "leave encoders.train empty"),
        ({"supervision": "dense", "encoders": {"cache_features": True}}, "data.cache"),
        ({"supervision": "mixed", "upscale": 2}, "upscale = 2: .* supervision: dense"),
        ({"data": {"root": ""}}, "data.root .*the path is empty"),
        ({"data": {"root": "d", "negatives": ""}}, "data.negatives.* .*the path is empty"),
        ({"data": {"root": "d", "negatives": ["n", ""]}}, "data.negatives.* .*the path is empty"),
        ({"data": {"root": "d", "studio_share": 0.2}}, "data.studio_share = 0.2 .*give data.backgrounds"),
    ],
)
def test_mistakes_are_named(change, told):
    with pytest.raises(ConfigError, match=told):
        parse_config(LEAST | change)


def test_overrides(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(LEAST))
    config = load_config(path, ["schedule.epochs=3", "data.jitter.hue=0.1", "threads=null", "name=other"])
    assert (config.schedule.epochs, config.data.jitter.hue, config.threads, config.name) == (
        3,
        0.1,
        None,
        "other",
    )
    for override, told in (
        ("epochs", "expected key=value"),
        ("name.x=1", "not a section"),
        ("seed=[", "YAML"),
    ):
        with pytest.raises(ConfigError, match=told):
            load_config(path, [override])


def test_unreadable_files_are_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.yaml")
    for text, told in (("a: [", "not valid YAML"), ("- 1", "expected keys and values")):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(ConfigError, match=told):
            load_config(tmp_path / "c.yaml")


def test_the_home_folder_in_every_path_of_a_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text(
        "{name: x, output: ~/run, data: {root: ~/data, skip: ~/skip.txt, actions: ~/actions.txt},"
        " encoders: {cache_folder: ~/store, dino: {name: a, weights: ~/dino.pth}}}"
    )
    config = load_config("~/mine.yaml", ["encoders.clip.name=b", "encoders.clip.weights=~/clip.pt"])
    assert config.output == tmp_path / "run" and config.data.root == tmp_path / "data"
    assert config.data.skip == tmp_path / "skip.txt" and config.encoders.cache_folder == tmp_path / "store"
    named = (config.data.actions, config.encoders.dino.weights, config.encoders.clip.weights)
    assert named == tuple(str(tmp_path / name) for name in ("actions.txt", "dino.pth", "clip.pt"))
    with pytest.raises(ConfigError, match=r"data\.root = '~no-such-user/x': .*no home folder for ~no-such-u"):
        load_config("~/mine.yaml", ["data.root=~no-such-user/x"])


def test_every_path_of_a_configuration_takes_the_home_folder():
    """A field that is a path and is not declared as one of these would take ~ for a name."""
    sections = [TrainConfig, DataConfig, MixConfig, EncodersConfig]
    paths = [
        (section.__name__, name, field)
        for section in sections
        for name, field in section.model_fields.items()
        if "Path" in str(field.annotation)
    ]
    assert len(paths) == 9
    assert all("BeforeValidator" in f"{field.metadata}{field.annotation}" for _, _, field in paths)
