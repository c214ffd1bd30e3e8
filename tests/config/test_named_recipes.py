"""Named recipes: shipped and of one's own, with one clear sentence for every mistake."""

import re

import pytest

from fer_bench.config import named_recipes
from fer_bench.config.bundled import recipes as shipped
from fer_bench.config.combinations import resolve_combinations
from fer_bench.config.experiment import Experiment
from fer_bench.config.recipe import Recipe, resolve
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES, describe

NAMES = sorted(shipped())


@pytest.fixture
def written(tmp_path):
    def write(text: str, name: str = "mine.yaml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_the_recipes_that_the_readme_names_are_there():
    assert {"frozen", "finetune", "last_blocks", "gradual", "uniform", "tuned"} <= set(NAMES)
    assert {"khaireddin2021", "wujie", "arriaga2017", "pham2020", "barsoum2016"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_says_its_command_and_what_to_expect(name):
    text = shipped()[name].read_text(encoding="utf-8")
    comment = text.split("\ndescription")[0]
    assert all(line.startswith("#") for line in comment.splitlines())
    assert re.search(rf"python benchmark\.py .*--recipe (\S+,)?{name}\b", comment)
    recipe = named_recipes.read(name)
    assert recipe.name == name and recipe.description.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_resolves_for_every_architecture_that_it_is_possible_for(name):
    pairs = resolve_combinations(Experiment(name="tests", datasets=["fer2013"], recipes=[name]))
    possible = {pair.architecture.name for pair in pairs.pairs}
    assert possible | {left.model for left in pairs.skipped} == set(ARCHITECTURES.names())
    architectures = [describe(model) for model in ARCHITECTURES.names()]
    pretrained = named_recipes.read(name).recipe.get("initial_weights") == "imagenet"
    assert possible == {a.name for a in architectures if a.input_kind == "images" and (a.weights or not pretrained)}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_resolves_for_sequences(name):
    if named_recipes.read(name).recipe.get("initial_weights") == "imagenet":
        pytest.skip("no sequence architecture has ImageNet weights")
    pairs = resolve_combinations(Experiment(name="tests", datasets=["fer2013"], recipes=[name]), {"fer2013": "sequences"})
    assert {pair.architecture.input_kind for pair in pairs.pairs} == {"sequences"}


def test_default_is_the_architectures_own():
    architecture = describe("vgg16")
    assert resolve(*named_recipes.read("default").layers(architecture)) == resolve(architecture.recipe)


def test_a_recipe_is_laid_over_the_architectures_own_unless_it_is_complete(written):
    architecture = describe("vgg16")
    text = "recipe: {dropout: 0.5}\nper_model: {'vgg*': {batch_size: 8}, vgg16: {batch_size: 9}, cnn: {epochs: 2}}\n"
    over = resolve(*named_recipes.read(written(text)).layers(architecture))
    assert (over.dropout, over.batch_size, over.epochs) == (0.5, 9, resolve(architecture.recipe).epochs)
    alone = resolve(*named_recipes.read(written(text + "standalone: true\n")).layers(architecture))
    assert (alone.dropout, alone.batch_size, alone.epochs) == (0.5, 9, Recipe().epochs)


def test_a_file_bears_its_own_name_or_the_one_it_gives_itself(written):
    assert named_recipes.read(written("recipe: {}")).name == "mine"
    assert named_recipes.read(written("name: ours\nrecipe: {}")).name == "ours"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("recipes: {epochs: 3}", "unknown key 'recipes'. Did you mean 'recipe'?"),
        ("descripton: ours", "Did you mean 'description'?"),
        ("standalone: perhaps", "standalone should be a valid boolean"),
        ("recipe: 5", "recipe should be a valid dictionary"),
        ("per_model: {vgg91: {epochs: 3}}", "Unknown architecture 'vgg91': did you mean vgg19"),
        ("per_model: {vgg19: 3}", "per_model.vgg19 should be a valid dictionary"),
        ("name: frozen\nrecipe: {}", "'frozen' is the name of a shipped recipe"),
        ("name: default\nrecipe: {}", "'default' is the name of a shipped recipe"),
        ("name: a/b", "should match pattern"),
        ("recipe: {epochs: 3", "is not valid YAML"),
        ("- epochs", "must hold keys and values"),
        ("", "must hold keys and values"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(written, text, sentence):
    path = written(text)
    with pytest.raises(UserError) as raised:
        named_recipes.read(path)
    assert str(raised.value).startswith(path)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_recipe_suggests_the_nearest():
    with pytest.raises(UserError, match="No recipe file 'fintune', and none of that name is shipped: did you mean fin"):
        named_recipes.read("fintune")
    with pytest.raises(UserError, match=r"there are default, .*frozen, gradual"):
        named_recipes.read("qqqq")


def test_two_files_of_one_name_are_refused(written, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="Two of the recipes are named 'mine'"):
        named_recipes.read_all([written("recipe: {}"), written("recipe: {epochs: 3}", "other/mine.yaml")])


def test_the_file_of_a_shipped_recipe_is_that_recipe():
    assert named_recipes.normalize_path(str(shipped()["frozen"])) == "frozen"
