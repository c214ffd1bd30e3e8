"""Plans: in a sensible order, fully resolved, and refused before anything starts where something is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from fer_bench.config.experiment import Experiment
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.protocols.registry import PROTOCOLS
from fer_bench.registry.architectures import ARCHITECTURES, source_digest
from fer_bench.sweep.plan import check_importable, make_plan
from fer_bench.training import weights


def names(plan) -> list[tuple[str, int]]:
    return [(planned.trial.architecture, planned.trial.seed) for planned in plan.trials]


def test_every_model_comes_once_before_any_second_seed(plan_of):
    plan = plan_of(models=["tiny_dropout", "tiny"], seeds=[3, 1])
    assert names(plan) == [("tiny_dropout", 3), ("tiny", 3), ("tiny_dropout", 1), ("tiny", 1)]


def test_what_is_asked_for_twice_is_run_once(plan_of):
    plan = plan_of(models=["tiny", "tiny*", "tiny"], seeds=[0, 0])
    assert names(plan)[0] == ("tiny", 0)
    assert len(names(plan)) == len(set(names(plan))) == len(ARCHITECTURES.match("tiny*"))
    assert len({planned.trial.key for planned in plan.trials}) == len(plan.trials)


def test_a_trial_is_fully_resolved(plan_of, dataset):
    (planned,) = plan_of(models=["tiny_dropout"]).trials
    trial = planned.trial
    assert trial.source == source_digest("tiny_dropout")
    assert (trial.dataset, trial.fingerprint) == ("made", "made-fingerprint")
    assert (trial.protocol, trial.fold, trial.backend) == ("official", 0, "tensorflow")
    assert trial.initial_weights == "random" and planned.weights_file is None
    assert trial.recipe["optimizer"]["learning_rate"] == 0.01  # the architecture's own default
    assert trial.recipe["optimizer"]["name"] == "adamw"  # the base recipe's
    assert trial.recipe["epochs"] == 1  # the experiment's
    assert len(planned.fold.training) == 60
    assert planned.dataset is dataset


def test_a_models_own_recipe_wins_over_the_experiments_by_name_and_pattern(plan_of):
    per_model = {"tiny*": {"epochs": 3, "dropout": 0.1}, "tiny_dropout": {"epochs": 4}}
    plan = plan_of(models=["tiny", "tiny_dropout"], per_model=per_model)
    asked = {p.trial.architecture: (p.trial.recipe["epochs"], p.trial.recipe["dropout"]) for p in plan.trials}
    assert asked == {"tiny": (3, 0.1), "tiny_dropout": (4, 0.1)}


def test_a_recipe_for_all_models_is_for_all_models(plan_of):
    (planned,) = plan_of(models=["tiny"], per_model={"all": {"epochs": 5}}).trials
    assert planned.trial.recipe["epochs"] == 5


def test_the_recipes_name_tells_what_departs_from_the_architectures_default(plan_of):
    (one,) = plan_of(models=["tiny_dropout"], initial_weights="random").trials
    assert one.trial.recipe_name == "default, epochs=1, batch_size=32"
    (other,) = plan_of(models=["tiny_dropout"], **{"optimizer.learning_rate": 0.5}).trials
    assert other.trial.recipe_name == "default, optimizer.learning_rate=0.5, epochs=1, batch_size=32"
    (same,) = plan_of(models=["tiny_dropout"], **{"optimizer.learning_rate": 0.01}).trials
    assert same.trial.recipe_name == "default, epochs=1, batch_size=32"  # said, but no departure


def experiment(**changes) -> Experiment:
    return Experiment(**{"name": "tests", "models": ["tiny"], "datasets": ["made"], **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": ["tiny_dropuot"]}, "Did you mean 'tiny_dropout'"),
        ({"models": ["tinier*"]}, r"Unknown architecture 'tinier\*'"),
        ({"per_model": {"tinny": {"epochs": 2}}}, "Did you mean 'tiny"),
        ({"datasets": ["maed"]}, "Did you mean 'made"),
        ({"protocols": ["oficial"]}, "Did you mean 'official'"),
        ({"recipe": {"epoch": 3}}, "the recipe 'default' of tiny in 'tests': unknown key 'epoch'"),
        ({"per_model": {"tiny": {"epochs": -3}}}, "the recipe 'default' of tiny in 'tests': epochs should be greater"),
        ({"recipe": {"initial_weights": "imagenet"}}, "'tiny' cannot be trained with .* no ImageNet weights exist"),
        ({"recipes": ["frozn"]}, "Did you mean 'frozen'"),
        ({"recipes": ["frozen"]}, "'tiny' cannot be trained with the recipe 'frozen': no ImageNet weights exist"),
        ({"recipe": {"backbone.trainable_blocks": 0}}, "'tiny' cannot be trained .* no pretrained backbone to freeze"),
        ({"recipe": {"backbone.learning_rate_factor": 0.1}}, "no pretrained backbone to freeze or to slow down"),
        ({"recipe": {"input_size": 32}}, "input_size 32 is below 48, the smallest possible"),
        ({"models": ["sequence_gru"]}, "'sequence_gru' cannot .* takes sequences, made holds images"),
        ({"recipe": {"crop": 13}}, "the recipe .* of tiny: a crop of 13 is larger than the images of made, 12×12"),
        ({"recipe": {"soft_labels": True}}, "soft_labels need label distributions, and made has none"),
        ({"recipe": {"tta": "ten-crop"}}, "tta 'ten-crop' needs a crop"),
        ({"recipe": {"precision": "mixed_float16"}}, "of tiny: mixed_float16 needs a GPU"),
        ({"datasets": ["fer2013"]}, r"fer2013\.csv"),
    ],
)
def test_a_mistake_is_named_before_anything_starts(made, tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        make_plan(experiment(**changes), DataConfig(tmp_path / "data", tmp_path / "cache"), None, "tensorflow")


def test_an_architecture_that_cannot_be_imported_is_named_before_anything_starts(made, scanned, tmp_path):
    file = scanned('import kerass\n@register_architecture("late", family="test")\ndef late(inputs, recipe): pass\n')
    with pytest.raises(UserError, match=r"more_networks\.py cannot be imported: ModuleNotFoundError.*kerass") as raised:
        check_importable(["late"])
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('family="test", colour="red"', "line 3: @register_architecture got an unexpected keyword argument 'colour'"),
        ("", "line 3: @register_architecture missing 1 required positional argument: 'family'"),
    ],
)
def test_an_entry_that_says_too_much_or_too_little_is_named(made, scanned, tmp_path, options, sentence):
    file = scanned(f'@register_architecture("odd", {options})\ndef odd(inputs, recipe): pass\n')
    with pytest.raises(UserError) as raised:
        make_plan(experiment(models=["odd"]), DataConfig(tmp_path), None, "tensorflow")
    assert str(raised.value) == f"{file}, {sentence}."


def test_weights_are_found_for_every_model_and_part_of_the_key(made, scanned, tmp_path):
    scanned(
        '@register_architecture("wanting", family="test", weights="imagenet")\n'
        "def wanting(inputs, recipe):\n    return inputs\n"
    )
    places = DataConfig(tmp_path)
    without = make_plan(experiment(models=["wanting", "tiny"]), places, tmp_path, "tensorflow")
    (note,) = without.notes
    assert "wanting" in note and "tiny" not in note
    assert "--weights-dir" in note
    (tmp_path / "wanting_notop.weights.h5").write_bytes(b"weights")
    weights._find.cache_clear()
    found = make_plan(experiment(models=["wanting", "tiny"]), places, tmp_path, "tensorflow")
    assert found.notes == []
    assert found.trials[0].weights_file == tmp_path / "wanting_notop.weights.h5"
    assert found.trials[0].trial.initial_weights.startswith("imagenet:")
    assert found.trials[0].trial.key != without.trials[0].trial.key
    assert found.trials[1].trial.key == without.trials[1].trial.key


def test_a_protocol_has_a_trial_for_each_fold_and_the_official_key_stays_what_it_was(made, tmp_path):
    plan = make_plan(experiment(protocols=["official", "kfold"]), DataConfig(tmp_path), None, "tensorflow")
    found = [(planned.trial.protocol, planned.trial.fold) for planned in plan.trials]
    assert found == [("official", 0), *(("kfold", fold) for fold in range(10))]
    assert len({planned.trial.key for planned in plan.trials}) == 11
    assert sum(len(planned.fold.test) for planned in plan.trials[1:]) == 99


def test_a_second_version_of_a_protocol_is_part_of_its_name(made, tmp_path, monkeypatch):
    monkeypatch.setitem(PROTOCOLS.get("kfold").options, "version", 2)
    plan = make_plan(experiment(protocols=["kfold"]), DataConfig(tmp_path), None, "tensorflow")
    assert plan.trials[0].trial.protocol == "kfold@2"


def test_a_split_file_is_a_protocol(made, dataset, tmp_path):
    split = tmp_path / "mine.csv"
    split.write_text("id,part\nmade-000,training\nmade-001,validation\nmade-002,test\n")
    (planned,) = make_plan(experiment(protocols=[f"file:{split}"]), DataConfig(tmp_path), None, "tensorflow").trials
    assert planned.trial.protocol.startswith("file:mine@")
    assert planned.fold.test.tolist() == [2]


@pytest.fixture
def elsewhere(made, dataset):
    """A second dataset, of larger images, whose persons are known and who have no split."""
    other = replace(
        dataset,
        name="elsewhere",
        images=dataset.images.repeat(2, axis=1).repeat(2, axis=2),
        classes=("top", "middle", "other"),
        fingerprint="elsewhere-fingerprint",
        split=None,
        subjects=np.array([f"S{i % 11}" for i in range(len(dataset))]),
        notes=("It is elsewhere.",),
    )

    with DATASETS.temporary():

        @DATASETS.register("elsewhere")
        def load_elsewhere(places: DataConfig):
            return other

        yield other


@pytest.mark.parametrize("datasets", [[], ["made"]])
def test_a_cross_brings_its_data_with_it(elsewhere, tmp_path, datasets):
    asked = experiment(datasets=datasets, protocols=["cross:made->elsewhere"])
    plan = make_plan(asked, DataConfig(tmp_path), None, "tensorflow")
    (planned,) = plan.trials
    assert (planned.trial.dataset, planned.trial.protocol) == ("made->elsewhere", "cross")
    assert planned.trial.fingerprint not in ("made-fingerprint", "elsewhere-fingerprint")
    assert planned.dataset.images.shape[1:] == (12, 12)
    assert planned.dataset.classes == ("top", "middle")
    assert (len(planned.fold.training), len(planned.fold.validation), len(planned.fold.test)) == (40, 14, 66)
    assert plan.notes[0] == "elsewhere: It is elsewhere."


def test_in_a_product_of_several_what_does_not_fit_is_left_out_and_named(elsewhere, tmp_path):
    asked = experiment(datasets=["made", "elsewhere"], protocols=["official", "subject-kfold"])
    plan = make_plan(asked, DataConfig(tmp_path), None, "tensorflow")
    assert {(p.trial.dataset, p.trial.protocol) for p in plan.trials} == {
        ("made", "official"),
        ("elsewhere", "subject-kfold"),
    }
    (note,) = [note for note in plan.notes if "do not fit" in note]
    assert note == "Left out, since they do not fit: subject-kfold on made, official on elsewhere."


@pytest.mark.parametrize(
    ("datasets", "protocols", "sentence"),
    [
        (["made"], ["subject-kfold"], "'subject-kfold' needs to know the subjects, and 'made' names none"),
        (["made"], ["official", "loso"], "'loso' needs to know the subjects, and 'made' names none"),
        (["made", "elsewhere"], ["official"], "'elsewhere' has no official split"),
        ([], ["cross:made->elsewher"], "Did you mean 'elsewhere"),
        ([], ["cross:made->"], "names no two datasets"),
        (["made"], ["file:none.json"], "no split file none.json"),
        (["made"], ["cross"], "'cross' takes two datasets"),
    ],
)
def test_a_protocol_that_fits_nothing_is_refused(elsewhere, tmp_path, datasets, protocols, sentence):
    with pytest.raises(UserError, match=sentence):
        make_plan(experiment(datasets=datasets, protocols=protocols), DataConfig(tmp_path), None, "tensorflow")
