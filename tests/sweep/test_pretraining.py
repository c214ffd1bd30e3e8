"""A pretraining trial is planned once, runs before the trials that start from its model, and its failure is theirs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fer_bench import records
from fer_bench.config.experiment import Experiment
from fer_bench.config.recipe import resolve
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.records.schema import Predictions
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.budget import Budget
from fer_bench.sweep.claims import Claims
from fer_bench.sweep.executors.executor import TrialResult, failed_record
from fer_bench.sweep.options import SweepOptions
from fer_bench.sweep.parallelism import _kind, order_by_speedup
from fer_bench.sweep.pending import find_corrupt, find_pending
from fer_bench.sweep.plan import make_plan
from fer_bench.sweep.plan_view import plan_lines
from fer_bench.sweep.run import run
from fer_bench.training.callback import Callback

NETWORKS = '''
from keras import layers

from fer_bench import register_architecture


def _network(inputs, recipe, filters):
    x = layers.Conv2D(filters, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    return layers.Dense(recipe.classes, name="logits")(layers.GlobalAveragePooling2D()(x))


@register_architecture("net", family="test")
def net(inputs, recipe):
    """One convolution."""
    return _network(inputs, recipe, 3)


@register_architecture("other_net", family="test")
def other_net(inputs, recipe):
    """One convolution of another size."""
    return _network(inputs, recipe, 4)
'''
QUICK = {"epochs": 1, "batch_size": 32}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    file = tmp_path_factory.mktemp("outside") / "networks.py"
    file.write_text(NETWORKS)
    with ARCHITECTURES.temporary():
        ARCHITECTURES.scan(file)
        yield


@pytest.fixture
def plan(dataset, networks, tmp_path):
    """The plan of an experiment on other images, pretrained on the made ones: `plan(seeds=[0, 1], epochs=2)`."""
    images = np.random.default_rng(1).integers(0, 256, dataset.images.shape, dtype=np.uint8)
    target = replace(
        dataset,
        name="target",
        images=images,
        labels=dataset.labels % 2,
        ids=np.array([f"target-{i}" for i in range(len(dataset))]),
        classes=("top", "rest"),
        fingerprint="target",
    )
    recipe_file = tmp_path / "quick.yaml"
    recipe_file.write_text(json.dumps({"name": "quick", "recipe": QUICK}))

    def make(pretraining=None, protocols=("official",), seeds=(0,), models=("net",), datasets=("target",), **options):
        request = {"dataset": "made", "recipe": str(recipe_file)} if pretraining is None else pretraining
        recipes = options.pop("recipes", ["default"])
        experiment = Experiment(
            name="tests",
            models=list(models),
            datasets=list(datasets),
            protocols=list(protocols),
            seeds=list(seeds),
            recipes=recipes,
            recipe=QUICK | {"pretraining": request} | options if recipes == ["default"] else {},
        )
        return make_plan(experiment, DataConfig(tmp_path / "data", tmp_path / "cache"), None, "tensorflow")

    with DATASETS.temporary():
        for loaded in (dataset, target):

            @DATASETS.register(loaded.name, title="made images", source="the tests")
            def load(data_config: DataConfig, loaded=loaded):
                """Made images."""
                return loaded

        make.folder = tmp_path
        yield make


def names(trials):
    return [(p.trial.architecture, p.trial.dataset, p.trial.fold, p.trial.seed) for p in trials]


def pending(plan, results, **options):
    return find_pending(plan, records.load(results), SweepOptions(**options))


def recording(started, status="finished", slots=1):
    """An executor of several slots that trains nothing; trials on the made dataset end as `status` says."""

    def run_trials(queue, callback):
        while running := [planned for planned in (queue.pop_ready() for _ in range(slots)) if planned]:
            started.append(names(running))
            for planned in running:
                ended = status if planned.trial.dataset == "made" else "finished"
                record = failed_record(planned, "no reason", f"started {len(started)}", {}, [])
                if planned.model_file and ended == "finished":
                    planned.model_file.parent.mkdir(parents=True, exist_ok=True)
                    planned.model_file.write_bytes(b"model")
                ids, labels = planned.dataset.ids[:1], planned.dataset.labels[:1]
                tested = Predictions(ids, labels, np.full((1, len(planned.dataset.classes)), 0.5, np.float32))
                predictions = {"test": tested} if ended == "finished" else {}
                yield TrialResult(planned, record.model_copy(update={"status": ended}), predictions)

    return run_trials


def test_the_trial_is_shared_by_folds_and_protocols_and_comes_once_per_seed_and_model(plan):
    planned = plan(protocols=["official", "kfold"], seeds=[0, 1], models=["net", "other_net"])
    before = [p for p in planned.trials if p.trial.dataset == "made"]
    assert sorted(names(before)) == [(m, "made", 0, s) for m in ("net", "other_net") for s in (0, 1)]
    assert {p.key for p in before} == planned.pretraining and all(p.keep_model for p in before)
    assert len(planned.trials) == 4 + 2 * 2 * 11
    keys = [p.key for p in planned.trials]
    for p in planned.trials:
        if p.requires:
            assert keys.index(p.required_key) < keys.index(p.key)
            assert (p.requires.architecture, p.requires.seed) == (p.trial.architecture, p.trial.seed)
    labels = {p.trial.initial_weights for p in planned.trials if p.requires and p.trial.architecture == "net"}
    assert len(labels) == 1 and labels.pop().startswith("pretrained on made:")  # one row for all seeds
    assert "after 4 trials of pretraining" in plan_lines(planned, pending(planned, "nowhere"), None, "", "none")[0]


def test_a_trial_that_is_requested_and_required_runs_once_and_keeps_its_model(plan):
    recipe_file = plan.folder / "pretrained.yaml"
    request = {"dataset": "made", "recipe": str(plan.folder / "quick.yaml")}
    recipe_file.write_text(json.dumps({"name": "pretrained", "recipe": QUICK | {"pretraining": request}}))
    recipes = [str(plan.folder / "quick.yaml"), str(recipe_file)]
    for datasets in (["made", "target"], ["target", "made"]):
        planned = plan(datasets=datasets, recipes=recipes)
        assert len(planned.trials) == 4 and planned.pretraining == frozenset()
        (shared,) = [p for p in planned.trials if p.trial.dataset == "made" and not p.requires]
        assert shared.keep_model and {p.required_key for p in planned.trials} == {"", shared.key}
    assert any("made, official: none of" in note for note in planned.notes)


def test_the_key_depends_on_the_pretraining_and_on_no_path(plan, tmp_path):
    def key(*arguments, **recipe):
        return plan(*arguments, **recipe).trials[-1].key

    first = plan().trials[-1]
    assert str(tmp_path) not in first.trial.model_dump_json()
    copy = tmp_path / "copy.yaml"
    copy.write_text(json.dumps({"name": "copy", "recipe": QUICK}))
    assert key({"dataset": "made", "recipe": str(copy)}) == first.key
    copy.write_text(json.dumps({"name": "copy", "recipe": QUICK | {"epochs": 2}}))
    assert key({"dataset": "made", "recipe": str(copy)}) != first.key
    assert key({"dataset": "made", "protocol": "holdout-80-10-10", "recipe": str(copy)}) != first.key
    assert plan(precision="mixed_bfloat16").trials[0].trial.precision == "mixed_bfloat16"


def test_requests_that_cannot_be_served_are_refused(plan):
    for request, word in [
        ({"dataset": "made", "protocol": "kfold"}, "fold"),
        ({"dataset": "mad"}, "made"),
        ({"dataset": "made", "recipe": "defualt"}, "default"),
        ({"dataset": "made->target"}, "one dataset"),
        ({"dataset": "made", "model_file": "model.keras"}, "not both"),
        ({"model_file": "missing.keras"}, "missing.keras"),
        ({"model_file": "weights.h5"}, ".keras"),
    ]:
        with pytest.raises(UserError, match=word):
            plan(request)
    with pytest.raises(UserError, match="test images"):
        plan(datasets=["made"], protocols=["kfold"])


def test_a_model_starts_from_the_pretrained_one_which_alone_is_kept(plan, tmp_path):
    import keras

    frozen = {"optimizer.learning_rate": 1e-12, "schedule.warmup_epochs": 0}  # so that the weights stay
    planned = plan(protocols=["kfold"], **frozen)
    chosen = planned.trials[:3]
    assert run(chosen, tmp_path, options=SweepOptions(keep_models="all")) == "completed"
    stored = [records.load(tmp_path).stored[p.key] for p in chosen]
    source, *others = [keras.models.load_model(s.model_file, compile=False) for s in stored]
    for other in others:
        np.testing.assert_allclose(other.get_weights()[0], source.get_weights()[0], atol=1e-6)
        assert other.get_weights()[-2].shape == (3, 2)

    values = compute_leaderboard(records.load(tmp_path)).frame.set_index("dataset").loc["target"]
    assert values["weights"] == "pretrained on made" and "pretrained on made ·" in values["badges"]
    assert "weights" not in values["badges"]

    (tmp_path / "again").mkdir()
    assert run(planned.trials[:2], tmp_path / "again", options=SweepOptions(keep_models="none")) == "completed"
    assert [bool(s.model_file) for s in records.load(tmp_path / "again")] == [True, False]

    from_file = plan({"model_file": str(stored[0].model_file)}, **frozen)
    assert [p.trial.dataset for p in from_file.trials] == ["target"]
    assert any("unknown" in note for note in from_file.notes)
    assert str(tmp_path) not in from_file.trials[0].trial.model_dump_json()
    run(from_file.trials, tmp_path, options=SweepOptions(keep_models="all"))
    last = records.load(tmp_path).stored[from_file.trials[0].key]
    kernel = keras.models.load_model(last.model_file, compile=False).get_weights()[0]
    np.testing.assert_allclose(kernel, source.get_weights()[0], atol=1e-6)


def test_trials_wait_for_the_one_that_they_require(plan, tmp_path):
    started = []
    planned = plan(protocols=["kfold"], models=["net", "other_net"])
    assert run(planned.trials, tmp_path, executor=recording(started, slots=2)) == "completed"
    assert [name for name, data, *_ in started[0] if data == "made"] == ["net", "other_net"]
    assert len(records.load(tmp_path)) == 22
    assert pending(planned, tmp_path).trials == []


def test_a_failed_pretraining_fails_the_trials_that_require_it(plan, tmp_path):
    planned = plan()
    run(planned.trials[:1], tmp_path, executor=recording([], status="failed"))
    left = pending(planned, tmp_path)
    assert names(left.trials) == [("net", "target", 0, 0)]
    run(left.trials, tmp_path)
    record = records.load(tmp_path).stored[planned.trials[1].key].record
    assert record.status == "failed" and str(planned.trials[0].trial) in record.reason
    retried = pending(planned, tmp_path, retry_failed=True)
    assert len(retried.trials) == 2
    run(retried.trials, tmp_path, superseded=retried.superseded)
    assert {s.record.status for s in records.load(tmp_path)} == {"finished"}


def test_a_model_that_was_not_kept_is_trained_again_while_others_need_it(plan, tmp_path):
    planned = plan(protocols=["kfold"])
    run(planned.trials[:3], tmp_path, executor=recording([]))
    first = records.load(tmp_path).stored[planned.trials[0].key]
    assert pending(planned, tmp_path).without_needed_model == ()
    first.model_file.unlink()
    left = pending(planned, tmp_path)
    assert [p.key for p in left.trials] == [planned.trials[0].key, *(p.key for p in planned.trials[3:])]
    assert left.num_finished == 2
    assert any("Trained again" in line for line in plan_lines(planned, left, None, "", "none"))

    started = []
    run(left.trials, tmp_path, executor=recording(started), superseded=left.superseded)
    assert started[0] == [("net", "made", 0, 0)]
    records.load(tmp_path).stored[planned.trials[0].key].model_file.unlink()
    assert pending(planned, tmp_path).trials == []  # nothing needs it any more

    damaged = records.load(tmp_path).stored[planned.trials[1].key]
    (damaged.path / "predictions.npz").write_bytes(b"")
    corrupt = find_corrupt(planned, records.load(tmp_path))
    assert [p.key for p in corrupt.trials] == [planned.trials[0].key, planned.trials[1].key]


def test_a_trial_that_another_sweep_runs_is_waited_for(plan, tmp_path):
    planned = plan(protocols=["kfold"])
    first, second = planned.trials[:2]

    class OtherSweep(Callback):
        """Records the pretraining trial when this sweep has found out that another one runs it."""

        def on_trial_delegated(self, delegated):
            assert delegated.key == first.key and not started
            claims.release(first.key)
            run([first], tmp_path, executor=recording([]))

    started = []
    with Claims(tmp_path) as claims:
        assert claims.claim(first.key)
        run([first, second], tmp_path, [OtherSweep()], executor=recording(started))
    assert started == [[("net", "target", 0, 0)]]


def test_a_trial_is_skipped_if_its_pretraining_does_not_fit_into_the_budget(plan, tmp_path):
    class Estimator:
        def seconds(self, planned):
            return 90.0 if planned.trial.dataset == "made" else 10.0

    planned = plan()
    budget = Budget(1000.0, Estimator(), clock=lambda: 950.0)
    assert budget.split(planned.trials) == ([], planned.trials)
    assert run(planned.trials, tmp_path, executor=recording([]), budget=budget) == "budget_exhausted"
    assert len(records.load(tmp_path)) == 0


def test_a_concurrent_trial_does_not_wait_for_a_later_serial_one(plan):
    planned = plan(seeds=[0, 1], precision="float32", batch_size=16)  # of another kind than the pretraining
    gains = {_kind(p): 2.0 for p in planned.trials if p.requires}
    assert order_by_speedup(planned.trials, gains) == (planned.trials, 0)
    gains = {_kind(p): 2.0 for p in planned.trials}
    assert order_by_speedup(planned.trials, gains)[1] == 4


def test_only_pretrained_weights_may_be_frozen():
    frozen = {"backbone.trainable_blocks": 0, "initial_weights": "random"}
    assert resolve(frozen, {"pretraining.dataset": "fer2013"}).backbone.freezes
    with pytest.raises(UserError, match="random weights"):
        resolve(frozen)
