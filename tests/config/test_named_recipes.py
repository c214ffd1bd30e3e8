"""Named recipes of the repository and of users, with a clear error for an invalid file."""

import re

import pytest

from fer_bench.config import named_recipes
from fer_bench.config.bundled import recipes as bundled_recipes
from fer_bench.config.combinations import resolve_combinations
from fer_bench.config.experiment import Experiment
from fer_bench.config.recipe import Recipe, resolve
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES, describe

NAMES = sorted(bundled_recipes())


def test_the_recipes_that_the_readme_names_exist():
    assert {"frozen", "finetune", "last_blocks", "gradual", "uniform", "tuned"} <= set(NAMES)
    assert {"khaireddin2021", "wujie", "arriaga2017", "pham2020", "barsoum2016"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_recipe_starts_with_its_command(name):
    text = bundled_recipes()[name].read_text(encoding="utf-8")
    comment = text.split("\ndescription")[0]
    assert all(line.startswith("#") for line in comment.splitlines())
    assert re.search(rf"python benchmark\.py .*--recipe (\S+,)?{name}\b", comment)
    recipe = named_recipes.read(name)
    assert recipe.name == name and recipe.description.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_recipe_resolves_for_every_compatible_architecture(name):
    combinations = resolve_combinations(Experiment(name="tests", datasets=["fer2013"], recipes=[name]))
    compatible = {pair.architecture.name for pair in combinations.pairs}
    assert compatible | {pair.model for pair in combinations.skipped} == set(ARCHITECTURES.names())
    architectures = [describe(model) for model in ARCHITECTURES.names()]
    pretrained = named_recipes.read(name).recipe.get("initial_weights") == "imagenet"
    assert compatible == {a.name for a in architectures if a.input_kind == "images" and (a.weights or not pretrained)}


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_recipe_resolves_for_sequences(name):
    if named_recipes.read(name).recipe.get("initial_weights") == "imagenet":
        pytest.skip("no sequence architecture has ImageNet weights")
    combinations = resolve_combinations(
        Experiment(name="tests", datasets=["fer2013"], recipes=[name]), {"fer2013": "sequences"}
    )
    assert {pair.architecture.input_kind for pair in combinations.pairs} == {"sequences"}


def test_default_is_the_recipe_of_the_architecture():
    architecture = describe("vgg16")
    assert resolve(*named_recipes.read("default").layers(architecture)) == resolve(architecture.recipe)


def test_a_recipe_overrides_the_one_of_the_architecture_unless_it_is_standalone(written):
    architecture = describe("vgg16")
    text = "recipe: {dropout: 0.5}\nper_model: {'vgg*': {batch_size: 8}, vgg16: {batch_size: 9}, cnn: {epochs: 2}}\n"
    over = resolve(*named_recipes.read(written(text)).layers(architecture))
    assert (over.dropout, over.batch_size, over.epochs) == (0.5, 9, resolve(architecture.recipe).epochs)
    alone = resolve(*named_recipes.read(written(text + "standalone: true\n")).layers(architecture))
    assert (alone.dropout, alone.batch_size, alone.epochs) == (0.5, 9, Recipe().epochs)


def test_the_name_of_a_recipe_is_the_files_name_or_its_name_key(written):
    assert named_recipes.read(written("recipe: {}")).name == "mine"
    assert named_recipes.read(written("name: ours\nrecipe: {}")).name == "ours"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("recipes: {epochs: 3}", "Did you mean 'recipe'"),
        ("descripton: ours", "Did you mean 'description'"),
        ("standalone: perhaps", "standalone should be a valid boolean"),
        ("recipe: 5", "recipe should be a valid dictionary"),
        ("per_model: {vgg91: {epochs: 3}}", "Did you mean 'vgg19"),
        ("per_model: {vgg19: 3}", "per_model.vgg19 should be a valid dictionary"),
        ("name: frozen\nrecipe: {}", "'frozen'"),
        ("name: default\nrecipe: {}", "'default'"),
        ("name: a/b", "should match pattern"),
        ("recipe: {epochs: 3", "is not valid YAML"),
        ("- epochs", "must hold keys and values"),
        ("", "must hold keys and values"),
    ],
)
def test_an_invalid_file_is_an_error_that_names_it(read_error, text, reason):
    assert reason in read_error(named_recipes.read, text)


def test_an_unknown_recipe_suggests_near_names():
    with pytest.raises(UserError, match="Did you mean 'finetune'"):
        named_recipes.read("fintune")
    with pytest.raises(UserError, match=r"default, .*frozen, gradual"):
        named_recipes.read("qqqq")


def test_two_recipes_with_the_same_name_are_an_error(written, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="mine"):
        named_recipes.read_all([written("recipe: {}"), written("recipe: {epochs: 3}", "other/mine.yaml")])


def test_the_file_of_a_bundled_recipe_is_replaced_by_its_name():
    assert named_recipes.normalize_path(str(bundled_recipes()["frozen"])) == "frozen"
