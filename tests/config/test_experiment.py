"""Experiments from files and flags, with a clear error for an invalid one."""

from pathlib import Path

import pytest
import yaml

from fer_bench.config.bundled import experiments
from fer_bench.config.combinations import resolve_combinations
from fer_bench.config.experiment import Experiment, bundled_experiment, read, save
from fer_bench.core.errors import UserError

FULL = """
# python benchmark.py --experiment mine.yaml
description: Two models.
models: [vgg*, cnn]
datasets: synthetic, fer2013
seeds: 3
recipe: {epochs: 5, optimizer.learning_rate: 0.01}
per_model:
  cnn: {epochs: 14}
"""


def test_a_file_is_read_with_its_defaults(written):
    experiment = read(written(FULL))
    assert experiment.name == "mine"
    assert experiment.models == ["vgg*", "cnn"]
    assert experiment.datasets == ["synthetic", "fer2013"]
    assert experiment.protocols == ["official"]
    assert experiment.seeds == [0, 1, 2]
    assert experiment.recipe == {"epochs": 5, "optimizer.learning_rate": 0.01}
    assert experiment.per_model == {"cnn": {"epochs": 14}}
    assert read(written("datasets: [synthetic]")).models == ["all"]


def test_the_name_key_overrides_the_name_of_the_file(written):
    assert read(written("name: ours\ndatasets: [synthetic]")).name == "ours"


def test_seeds_are_a_count_or_a_list(written):
    assert read(written("datasets: [synthetic]\nseeds: 1")).seeds == [0]
    assert read(written("datasets: [synthetic]\nseeds: [4, 2]")).seeds == [4, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("modles: [cnn]\ndatasets: [synthetic]", "Did you mean 'models'"),
        ("dataset: [synthetic]", "Did you mean 'datasets'"),
        ("datasets: [synthetic]\nzzz: 1", "'zzz'"),
        ("models: [cnn]", "datasets"),
        ("datasets: []", "datasets"),
        ("datasets: [synthetic]\nmodels: ''", "models"),
        ("datasets: [synthetic]\nmodels: {cnn: 1}", "models should be a valid list"),
        ("datasets: [1]", "datasets.0 should be a valid string (given: 1)"),
        ("datasets: [synthetic]\nseeds: 0", "seeds"),
        ("datasets: [synthetic]\nseeds: many", "seeds should be a valid list (given: 'many')"),
        ("datasets: [synthetic]\nseeds: [0, -1]", "seeds.1 should be greater than or equal to 0 (given: -1)"),
        ("datasets: [synthetic]\nseeds: [4294967296]", "seeds.0 should be less than 4294967296"),
        ("datasets: [synthetic]\nrecipe: 5", "recipe should be a valid dictionary (given: 5)"),
        ("datasets: [synthetic]\nper_model: {cnn: 5}", "per_model.cnn should be a valid dictionary"),
        ("datasets: [synthetic]\nname: a/b", "name"),
        ("datasets: [synthetic", "is not valid YAML"),
        ("datasets: \tsynthetic: x: y", "is not valid YAML"),
        ("- synthetic", "must hold keys and values"),
        ("", "must hold keys and values"),
    ],
)
def test_an_invalid_file_is_an_error_that_names_it(read_error, text, reason):
    assert reason in read_error(read, text)


def test_a_binary_file_is_an_error(tmp_path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match="YAML"):
        read(str(path))


def test_an_unknown_experiment_suggests_near_names(tmp_path):
    with pytest.raises(UserError, match="first_hour"):
        read("frist_hour")
    with pytest.raises(UserError, match=r"fer2013, .*first_hour, .*synthetic"):
        read(str(tmp_path))  # a folder


def test_flags_override_the_file_and_its_per_model_recipes(written):
    experiment = read(written(FULL)).with_overrides({"epochs": 1}, models="cnn, vgg16", seeds=1, datasets=None)
    assert experiment.models == ["cnn", "vgg16"]
    assert experiment.datasets == ["synthetic", "fer2013"]
    assert experiment.seeds == [0]
    assert experiment.recipe == {"epochs": 1, "optimizer.learning_rate": 0.01}
    assert experiment.per_model == {"cnn": {"epochs": 1}}
    assert experiment.name == "mine"


def test_a_flag_overrides_nested_and_dotted_keys(written):
    text = "datasets: [synthetic]\nmodels: [cnn]\nrecipe: {optimizer.learning_rate: 1, optimizer: {learning_rate: 2}}\n"
    text += "per_model: {cnn: {augmentation: strong, augmentation.mixup: 0.2}}\n"
    flags = {"optimizer.learning_rate": 3, "augmentation": "none"}
    (pair,) = resolve_combinations(read(written(text)).with_overrides(flags)).pairs
    assert pair.recipe.optimizer.learning_rate == 3
    assert not any(pair.recipe.augmentation.model_dump().values())


def test_recipes_are_merged_from_the_base_recipe_to_the_flags(written):
    """vgg16's own recipe has epochs 15 and a learning rate of its own."""
    named = "recipe: {epochs: 1, batch_size: 2, dropout: 0.1, l2: 0.1}\nper_model: {vgg16: {epochs: 3}}\n"
    written(named, "named.yaml")
    text = "datasets: [fer2013]\nmodels: [vgg16]\nrecipes: [default, named.yaml]\n"
    text += "recipe: {batch_size: 5, dropout: 0.5}\nper_model: {vgg16: {dropout: 0.6, l1: 0.6}}\n"
    default, named = resolve_combinations(read(written(text)).with_overrides({"l1": 0.7})).pairs
    assert default.recipe.epochs == 15 and named.recipe.epochs == 3
    assert named.recipe.optimizer.learning_rate == default.recipe.optimizer.learning_rate == 1e-4
    assert (named.recipe.batch_size, named.recipe.dropout) == (5, 0.6)
    assert (named.recipe.l2, default.recipe.l2) == (0.1, 0)
    assert named.recipe.l1 == default.recipe.l1 == 0.7
    assert named.full_recipe_name == "named, dropout=0.6, l1=0.7, batch_size=5"


def test_recipes_are_names_or_files_relative_to_the_experiment(written, tmp_path, monkeypatch):
    mine = written("recipe: {epochs: 1}", "ours.yaml")
    experiment = read(written("datasets: [synthetic]\nrecipes: frozen, ours.yaml"))
    assert experiment.recipes == ["frozen", mine]  # looked for beside the experiment's own file
    monkeypatch.chdir(tmp_path)
    assert experiment.with_overrides({}, recipes="ours.yaml").recipes == [mine]
    path = save(experiment, tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    assert read(str(path)) == experiment
    assert resolve_combinations(read(str(path))).pairs


@pytest.mark.parametrize(("recipes", "reason"), [("fozen", "frozen"), ("no.yaml", "no.yaml"), ("''", "recipes")])
def test_an_unknown_recipe_is_an_error(written, recipes, reason):
    with pytest.raises(UserError, match=reason):
        resolve_combinations(read(written(f"datasets: synthetic\nrecipes: {recipes}")))


def test_no_overrides_change_nothing(written):
    experiment = read(written(FULL))
    assert experiment.with_overrides({}, models=None) == experiment


def test_an_invalid_flag_is_an_error_about_the_flags(written):
    with pytest.raises(UserError, match="the flags: models"):
        read(written(FULL)).with_overrides({}, models=" , ")


def test_a_saved_experiment_reads_back_the_same(written, tmp_path):
    experiment = read(written(FULL)).with_overrides({"epochs": 1})
    path = save(experiment, tmp_path / "results" / "experiments")
    assert path.name == "mine.yaml"
    assert read(str(path)) == experiment


@pytest.mark.parametrize("name", sorted(experiments()))
def test_a_bundled_experiment_is_valid_and_starts_with_its_command(name):
    path: Path = experiments()[name]
    text = path.read_text(encoding="utf-8")
    comment = text.split("\n\n")[0].split("\ndescription")[0]
    assert all(line.startswith("#") for line in comment.splitlines())
    assert f"python benchmark.py --experiment {name}" in comment
    experiment = read(name)
    assert experiment.name == name
    assert experiment.description.endswith(".")
    assert set(yaml.safe_load(text)) <= set(Experiment.model_fields)
    assert resolve_combinations(experiment).pairs


def test_datasets_may_be_part_of_the_protocol(written):
    experiment = read(written("protocols: cross:fer2013->jaffe, cross:fer2013->ckplus"))
    assert experiment.datasets == [] and len(experiment.protocols) == 2
    with pytest.raises(UserError, match="datasets"):
        read(written("protocols: cross:fer2013->jaffe, kfold"))


def test_names_are_stored_as_they_are_registered():
    request = Experiment(
        name="a",
        models=["VGG19", "MobileNet-V2", "vgg*"],
        datasets="FER-2013,CK+,JAFFE~haar+align",
        protocols=["K-Fold", "cross:FER2013->RAF-DB", "file:Split.json"],
    )
    assert request.models == ["vgg19", "mobilenet_v2", "vgg*"]
    assert request.datasets == ["fer2013", "ckplus", "jaffe~haar+align"]
    assert request.protocols == ["kfold", "cross:fer2013->rafdb", "file:Split.json"]
    assert bundled_experiment("FER2013").name == "fer2013"
    assert read("First-Hour").name == "first_hour"
