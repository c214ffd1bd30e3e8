"""A plan lists its trials in order, fully resolved; a mistake is reported before any training starts."""

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


def test_every_model_comes_before_any_second_seed(plan_of):
    plan = plan_of(models=["tiny_dropout", "tiny"], seeds=[3, 1])
    assert names(plan) == [("tiny_dropout", 3), ("tiny", 3), ("tiny_dropout", 1), ("tiny", 1)]


def test_a_trial_that_is_requested_twice_runs_once(plan_of):
    plan = plan_of(models=["tiny", "tiny*", "tiny"], seeds=[0, 0])
    assert names(plan)[0] == ("tiny", 0)
    assert len(names(plan)) == len(set(names(plan))) == len(ARCHITECTURES.match("tiny*"))
    assert len({planned.trial.key for planned in plan.trials}) == len(plan.trials)


def test_a_trial_is_fully_resolved(plan_of, dataset):
    (planned,) = plan_of(models=["tiny_dropout"]).trials
    trial = planned.trial
    assert trial.source_digest == source_digest("tiny_dropout")
    assert (trial.dataset, trial.fingerprint) == ("made", "made-fingerprint")
    assert (trial.protocol, trial.fold, trial.backend) == ("official", 0, "tensorflow")
    assert trial.initial_weights == "random" and planned.weights_file is None
    assert trial.recipe["optimizer"]["learning_rate"] == 0.01  # from the architecture
    assert trial.recipe["optimizer"]["name"] == "adamw"  # from the base recipe
    assert trial.recipe["epochs"] == 1  # from the experiment
    assert len(planned.fold.training) == 60
    assert planned.dataset is dataset


def test_a_recipe_per_model_overrides_the_experiment_by_name_and_pattern(plan_of):
    per_model = {"tiny*": {"epochs": 3, "dropout": 0.1}, "tiny_dropout": {"epochs": 4}}
    plan = plan_of(models=["tiny", "tiny_dropout"], per_model=per_model)
    resolved = {p.trial.architecture: (p.trial.recipe["epochs"], p.trial.recipe["dropout"]) for p in plan.trials}
    assert resolved == {"tiny": (3, 0.1), "tiny_dropout": (4, 0.1)}


def test_a_recipe_for_all_applies_to_every_model(plan_of):
    (planned,) = plan_of(models=["tiny"], per_model={"all": {"epochs": 5}}).trials
    assert planned.trial.recipe["epochs"] == 5


def test_the_recipe_name_lists_the_overrides_of_the_architectures_default(plan_of):
    (one,) = plan_of(models=["tiny_dropout"], initial_weights="random").trials
    assert one.trial.recipe_name == "default, epochs=1, batch_size=32"
    (other,) = plan_of(models=["tiny_dropout"], **{"optimizer.learning_rate": 0.5}).trials
    assert other.trial.recipe_name == "default, optimizer.learning_rate=0.5, epochs=1, batch_size=32"
    (same,) = plan_of(models=["tiny_dropout"], **{"optimizer.learning_rate": 0.01}).trials
    assert same.trial.recipe_name == "default, epochs=1, batch_size=32"  # stated, but equal to the default


def experiment(**changes) -> Experiment:
    return Experiment(**{"name": "tests", "models": ["tiny"], "datasets": ["made"], **changes})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"models": ["tiny_dropuot"]}, "Did you mean 'tiny_dropout'"),
        ({"models": ["tinier*"]}, r"Unknown architecture 'tinier\*'"),
        ({"per_model": {"tinny": {"epochs": 2}}}, "Did you mean 'tiny"),
        ({"datasets": ["maed"]}, "Did you mean 'made"),
        ({"protocols": ["oficial"]}, "Did you mean 'official'"),
        ({"recipe": {"epoch": 3}}, "'default' of tiny in 'tests'.*'epoch'"),
        ({"per_model": {"tiny": {"epochs": -3}}}, "'default' of tiny in 'tests'.*epochs"),
        ({"recipe": {"initial_weights": "imagenet"}}, "no ImageNet weights exist"),
        ({"recipes": ["frozn"]}, "Did you mean 'frozen'"),
        ({"recipes": ["frozen"]}, "'tiny' .*'frozen': no ImageNet weights exist"),
        ({"recipe": {"backbone.trainable_blocks": 0}}, "no pretrained backbone"),
        ({"recipe": {"backbone.learning_rate_factor": 0.1}}, "no pretrained backbone"),
        ({"recipe": {"input_size": 32}}, "input_size 32"),
        ({"models": ["sequence_gru"]}, "'sequence_gru' .*sequences, made has images"),
        ({"recipe": {"crop": 13}}, "tiny: a crop of 13 .*12×12"),
        ({"recipe": {"soft_labels": True}}, "soft_labels .*made"),
        ({"recipe": {"tta": "ten-crop"}}, "ten-crop.*needs a crop"),
        ({"recipe": {"precision": "mixed_float16"}}, "mixed_float16"),
        ({"datasets": ["fer2013"]}, r"fer2013\.csv"),
    ],
)
def test_a_mistake_is_reported_before_any_training(made, tmp_path, changes, word):
    with pytest.raises(UserError, match=word):
        make_plan(experiment(**changes), DataConfig(tmp_path / "data", tmp_path / "cache"), None, "tensorflow")


def test_a_file_that_cannot_be_imported_is_named(made, scanned, tmp_path):
    file = scanned('import kerass\n@register_architecture("late", family="test")\ndef late(inputs, recipe): pass\n')
    with pytest.raises(UserError, match="kerass") as raised:
        check_importable(["late"])
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(("options", "word"), [('family="test", colour="red"', "'colour'"), ("", "'family'")])
def test_an_entry_with_unknown_or_missing_arguments_is_named(made, scanned, tmp_path, options, word):
    file = scanned(f'@register_architecture("odd", {options})\ndef odd(inputs, recipe): pass\n')
    with pytest.raises(UserError) as raised:
        make_plan(experiment(models=["odd"]), DataConfig(tmp_path), None, "tensorflow")
    assert f"{file}, line 3" in str(raised.value) and word in str(raised.value)


def test_initial_weights_are_found_and_are_part_of_the_key(made, scanned, tmp_path):
    scanned(
        '@register_architecture("pretrained", family="test", weights="imagenet")\n'
        "def pretrained(inputs, recipe):\n    return inputs\n"
    )
    data_config = DataConfig(tmp_path)
    without = make_plan(experiment(models=["pretrained", "tiny"]), data_config, tmp_path, "tensorflow")
    (note,) = without.notes
    assert "pretrained" in note and "tiny" not in note
    assert "--weights-dir" in note
    (tmp_path / "pretrained_notop.weights.h5").write_bytes(b"weights")
    weights._find.cache_clear()
    found = make_plan(experiment(models=["pretrained", "tiny"]), data_config, tmp_path, "tensorflow")
    assert found.notes == []
    assert found.trials[0].weights_file == tmp_path / "pretrained_notop.weights.h5"
    assert found.trials[0].trial.initial_weights.startswith("imagenet:")
    assert found.trials[0].trial.key != without.trials[0].trial.key
    assert found.trials[1].trial.key == without.trials[1].trial.key


def test_a_protocol_has_one_trial_per_fold(made, tmp_path):
    plan = make_plan(experiment(protocols=["official", "kfold"]), DataConfig(tmp_path), None, "tensorflow")
    found = [(planned.trial.protocol, planned.trial.fold) for planned in plan.trials]
    assert found == [("official", 0), *(("kfold", fold) for fold in range(10))]
    assert len({planned.trial.key for planned in plan.trials}) == 11
    assert sum(len(planned.fold.test) for planned in plan.trials[1:]) == 99


def test_the_version_of_a_protocol_is_part_of_its_name(made, tmp_path, monkeypatch):
    monkeypatch.setitem(PROTOCOLS.get("kfold").options, "version", 2)
    plan = make_plan(experiment(protocols=["kfold"]), DataConfig(tmp_path), None, "tensorflow")
    assert plan.trials[0].trial.protocol == "kfold@2"


def test_a_split_file_is_a_protocol(made, dataset, tmp_path):
    split = tmp_path / "mine.csv"
    split.write_text("id,split\nmade-000,training\nmade-001,validation\nmade-002,test\n")
    (planned,) = make_plan(experiment(protocols=[f"file:{split}"]), DataConfig(tmp_path), None, "tensorflow").trials
    assert planned.trial.protocol.startswith("file:mine@")
    assert planned.fold.test.tolist() == [2]


@pytest.fixture
def second(made, dataset):
    """Register a second dataset with larger images and subjects, without a split."""
    other = replace(
        dataset,
        name="second",
        images=dataset.images.repeat(2, axis=1).repeat(2, axis=2),
        classes=("top", "middle", "other"),
        fingerprint="second-fingerprint",
        split=None,
        subjects=np.array([f"S{i % 11}" for i in range(len(dataset))]),
        notes=("A note.",),
    )

    with DATASETS.temporary():

        @DATASETS.register("second")
        def load_second(data_config: DataConfig):
            return other

        yield other


@pytest.mark.parametrize("datasets", [[], ["made"]])
def test_a_cross_protocol_names_its_datasets(second, tmp_path, datasets):
    request = experiment(datasets=datasets, protocols=["cross:made->second"])
    plan = make_plan(request, DataConfig(tmp_path), None, "tensorflow")
    (planned,) = plan.trials
    assert (planned.trial.dataset, planned.trial.protocol) == ("made->second", "cross")
    assert planned.trial.fingerprint not in ("made-fingerprint", "second-fingerprint")
    assert planned.dataset.images.shape[1:] == (12, 12)
    assert planned.dataset.classes == ("top", "middle")
    assert (len(planned.fold.training), len(planned.fold.validation), len(planned.fold.test)) == (40, 14, 66)
    assert plan.notes[0] == "second: A note."


def test_a_pair_of_dataset_and_protocol_that_does_not_fit_is_skipped_with_a_note(second, tmp_path):
    request = experiment(datasets=["made", "second"], protocols=["official", "subject-kfold"])
    plan = make_plan(request, DataConfig(tmp_path), None, "tensorflow")
    assert {(p.trial.dataset, p.trial.protocol) for p in plan.trials} == {
        ("made", "official"),
        ("second", "subject-kfold"),
    }
    (note,) = [note for note in plan.notes if "do not fit" in note]
    assert "subject-kfold on made, official on second" in note


@pytest.mark.parametrize(
    ("datasets", "protocols", "word"),
    [
        (["made"], ["subject-kfold"], "'subject-kfold'.*subject.*'made'"),
        (["made"], ["official", "loso"], "'loso'.*subject.*'made'"),
        (["made", "second"], ["official"], "'second' has no official split"),
        ([], ["cross:made->secon"], "Did you mean 'second"),
        ([], ["cross:made->"], "two datasets"),
        (["made"], ["file:none.json"], "none.json"),
        (["made"], ["cross"], "two datasets"),
    ],
)
def test_a_protocol_that_fits_no_dataset_is_an_error(second, tmp_path, datasets, protocols, word):
    with pytest.raises(UserError, match=word):
        make_plan(experiment(datasets=datasets, protocols=protocols), DataConfig(tmp_path), None, "tensorflow")
