"""A trial from its specification to its record: pure, complete, and careful with the test images."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from fer_bench.config.recipe import Recipe, resolve
from fer_bench.core.errors import UserError
from fer_bench.protocols.registry import folds
from fer_bench.training.callback import Callback
from fer_bench.training.machine import precision_unsupported
from fer_bench.training.predict import softmax
from fer_bench.training.train import build_model, run_trial

pytestmark = pytest.mark.usefixtures("tiny_architectures")


@pytest.fixture
def fold(dataset):
    return folds("official", dataset, seed=0)[0]


@pytest.fixture
def run(planned_of, callback):
    def run(architecture: str, seed: int = 0, **recipe):
        return run_trial(planned_of(architecture, seed, **recipe), callback)

    return run


def test_a_finished_record_holds_all_that_is_known(run, dataset, fold, callback):
    record, predictions = run("tiny", epochs=3)
    assert (record.status, record.reason) == ("finished", "")
    assert record.classes == ["top", "middle", "bottom"]
    assert record.samples == {"training": 60, "validation": 21, "test": 18}
    assert record.num_parameters == 12 * 12 * 3 + 3
    assert [e.epoch for e in record.history] == [1, 2, 3]
    assert 1 <= record.best_epoch <= 3
    assert record.started.endswith("+00:00")
    assert record.machine["cores"] >= 1 and record.machine["versions"]["keras"].startswith("3.")
    assert record.costs.train_seconds == pytest.approx(sum(e.train_seconds for e in record.history))
    assert record.costs.validation_seconds == pytest.approx(sum(e.validation_seconds for e in record.history))
    for cost in ("build_seconds", "compile_seconds", "train_seconds", "validation_seconds", "images_per_second"):
        assert getattr(record.costs, cost) > 0
    assert record.costs.peak_memory_bytes is None or record.costs.peak_memory_bytes > 10_000_000
    assert record.costs.flops == 2 * 12 * 12 * 3
    assert record.costs.model_bytes > 4 * record.num_parameters
    assert 0 < record.costs.latency_p50_seconds <= record.costs.latency_p95_seconds
    assert record.costs.predict_batch_size == 18
    assert [e for e in callback.events if e[0] == "epoch"] == [("epoch", i, 3) for i in (1, 2, 3)]
    assert callback.events.count(("step", 1, 3)) == 3

    for part in ("validation", "test"):
        of, indices = predictions[part], getattr(fold, part)
        np.testing.assert_array_equal(of.ids, dataset.ids[indices])
        np.testing.assert_array_equal(of.labels, dataset.labels[indices])
        assert of.probabilities.shape == (len(indices), 3) and of.probabilities.dtype == np.float32
        np.testing.assert_allclose(of.probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (of.probabilities >= 0).all()
    best = record.history[record.best_epoch - 1]
    hits = predictions["validation"].probabilities.argmax(1) == predictions["validation"].labels
    assert hits.mean() == pytest.approx(best.validation_accuracy)


def test_what_is_known_of_the_split_goes_into_the_record(fold, planned_of, callback):
    no_duplicate = np.arange(18) % 3 > 0
    known = replace(fold, no_duplicate=no_duplicate, notes=("leaky",))
    record, predictions = run_trial(replace(planned_of("tiny", epochs=1), fold=known), callback)
    assert record.split_notes == ["leaky"]
    np.testing.assert_array_equal(predictions["test"].no_duplicate, no_duplicate)
    assert predictions["validation"].no_duplicate is None


def test_it_learns_what_there_is_to_learn(run):
    _, predictions = run("tiny", epochs=8)
    test = predictions["test"]
    assert (test.probabilities.argmax(1) == test.labels).mean() > 0.8  # chance is a third


def test_the_same_trial_gives_the_same_predictions_to_the_byte(run):
    _, one = run("tiny_dropout")
    run("tiny", seed=5)  # whatever ran in between
    _, again = run("tiny_dropout")
    _, other = run("tiny_dropout", seed=1)
    for part in ("validation", "test"):
        assert one[part].probabilities.tobytes() == again[part].probabilities.tobytes()
        assert one[part].probabilities.tobytes() != other[part].probabilities.tobytes()


def test_predictions_say_whose_images_they_are_where_that_is_known(dataset, fold, planned_of, callback):
    persons = np.array([f"S{i % 7}" for i in range(len(dataset))])
    for subjects, expected in ((persons, persons), (None, None)):
        known = replace(dataset, subjects=subjects)
        _, predictions = run_trial(replace(planned_of("tiny", epochs=1), dataset=known), callback)
        for part in ("validation", "test"):
            of = predictions[part].groups
            assert of is None if expected is None else (of == expected[getattr(fold, part)]).all()


def test_measuring_what_a_model_costs_to_use_changes_no_prediction(run, monkeypatch):
    _, measured = run("tiny_dropout")
    monkeypatch.setattr("fer_bench.training.train.measure_inference_costs", lambda model, model_file: {})
    record, unmeasured = run("tiny_dropout")
    assert record.costs.flops is None
    for part in ("validation", "test"):
        assert measured[part].probabilities.tobytes() == unmeasured[part].probabilities.tobytes()


def test_a_model_that_is_kept_predicts_what_is_recorded(dataset, fold, planned_of, callback, tmp_path):
    file = tmp_path / "model.keras"
    record, predictions = run_trial(replace(planned_of("tiny_dropout", epochs=3), model_file=file), callback)
    assert record.costs.model_bytes == file.stat().st_size
    logits = keras.saving.load_model(file).predict_on_batch(dataset.images[fold.test][..., None])
    np.testing.assert_allclose(softmax(logits), predictions["test"].probabilities, rtol=1e-5)


def test_a_model_that_cannot_be_kept_costs_the_trial_nothing(planned_of, callback, tmp_path, caplog):
    (tmp_path / "full").write_text("")
    file = tmp_path / "full" / "model.keras"
    record, predictions = run_trial(replace(planned_of("tiny", epochs=1), model_file=file), callback)
    assert record.status == "finished" and predictions
    assert "'tiny' cannot be kept" in caplog.text


def test_an_architecture_that_raises_is_a_failed_record_with_its_reason(run):
    record, predictions = run("tiny_raising")
    assert record.status == "failed"
    assert record.reason == "ValueError: no room for this layer [/job:localhost]"
    assert predictions == {} and record.history == [] and record.costs is None


def test_logits_that_are_no_numbers_are_a_diverged_record(run):
    record, predictions = run("tiny_nan")
    assert record.status == "diverged"
    assert "the loss became nan in epoch 1, step 1 of 3" in record.reason
    assert predictions == {}


def test_a_record_of_a_failure_keeps_the_epochs_before_it(planned_of):
    class Failing(Callback):
        def on_epoch_end(self, planned, epoch):
            if epoch.epoch == 2:
                raise MemoryError("no memory left")

    record, _ = run_trial(planned_of("tiny", epochs=3), Failing())
    assert record.status == "failed" and record.reason == "MemoryError: no memory left"
    assert [e.epoch for e in record.history] == [1, 2]


def test_logits_of_a_wrong_shape_are_a_clear_sentence(run):
    record, _ = run("tiny_misshapen")
    assert record.status == "failed"
    assert "'tiny_misshapen' must return float32 logits of shape (batch, 3)" in record.reason
    assert "(None, 10, 10, 4)" in record.reason


def test_build_model_refuses_what_are_no_logits():
    assert build_model("tiny", Recipe(), (12, 12), 3).output_shape == (None, 3)
    with pytest.raises(UserError, match=r"must return float32 logits of shape \(batch, 7\)"):
        build_model("tiny_misshapen", Recipe(), (12, 12), 7)


def test_an_interrupted_trial_leaves_no_record(planned_of):
    class Interrupting(Callback):
        def on_step_end(self, planned, step, steps, loss):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record, _ = run_trial(planned_of("tiny"), Interrupting())
        pytest.fail(f"{record.status}: {record.reason}")


def test_reduced_precision_is_of_one_trial_alone(run):
    record, _ = run("tiny_dropout", precision="mixed_bfloat16")
    assert record.status == "failed"  # its logits are bfloat16, which would be poor probabilities
    assert "must return float32 logits" in record.reason and "bfloat16" in record.reason
    assert run("tiny_dropout")[0].status == "finished"


class WatchedImages(np.ndarray):
    """Images that write down which of them are taken, and when."""

    events: list

    def __array_finalize__(self, obj):
        self.events = getattr(obj, "events", None)

    def __getitem__(self, key):
        if self.events is not None:
            self.events.append(("images", np.arange(len(self))[key]))
        return super().__getitem__(key).view(np.ndarray)

    def __array__(self, *args, **kwargs):
        raise AssertionError("all images were read at once")


def test_the_test_images_are_opened_after_training_has_ended_and_once(dataset, fold, planned_of, callback):
    images = dataset.images.view(WatchedImages)
    images.events = callback.events
    planned = planned_of("tiny", epochs=3, batch_size=20)
    record, _ = run_trial(replace(planned, dataset=replace(dataset, images=images)), callback)
    assert record.status == "finished", record.reason
    taken = [np.atleast_1d(event[1]) for event in callback.events if event[0] == "images"]
    assert set(fold.training) <= set(np.concatenate(taken))  # the watch works
    opened = [
        position
        for position, event in enumerate(callback.events)
        if event[0] == "images" and set(np.atleast_1d(event[1])) & set(fold.test)
    ]
    last_epoch = max(position for position, event in enumerate(callback.events) if event[0] == "epoch")
    assert len(opened) == 1 and opened[0] > last_epoch
    assert set(callback.events[opened[0]][1]) == set(fold.test)


def test_a_recipe_reaches_the_function_with_classes_and_weights(tmp_path, tiny_architectures, monkeypatch):
    from fer_bench.registry.architectures import ARCHITECTURES

    seen = []

    def spy(inputs, recipe):
        seen.append(recipe)
        return tiny(inputs, recipe)

    tiny = ARCHITECTURES.function("tiny")
    monkeypatch.setattr(ARCHITECTURES, "function", lambda name: spy)
    build_model("tiny", resolve({"dropout": 0.25}), (12, 12), 4, tmp_path / "weights.h5")
    assert (seen[0].dropout, seen[0].classes, seen[0].weights_file) == (0.25, 4, tmp_path / "weights.h5")


def test_a_crop_and_a_sequence_shape_the_pixels():
    assert build_model("tiny", resolve({"crop": 8}), (12, 12), 3).input_shape == (None, 8, 8, 1)
    assert build_model("tiny", resolve(), (5, 12, 10), 3).input_shape == (None, 5, 12, 10, 1)
    assert build_model("tiny", resolve({"crop": 8}), (5, 12, 10), 3).input_shape == (None, 5, 8, 8, 1)
    with pytest.raises(UserError, match="A crop of 11 is greater than the images of 12×10"):
        build_model("tiny", resolve({"crop": 11}), (12, 10), 3)


def test_the_test_is_predicted_by_the_views_that_the_recipe_asks_for(run):
    _, one = run("tiny", epochs=3, crop=8)
    record, ten = run("tiny", epochs=3, crop=8, tta="ten-crop")
    assert record.status == "finished", record.reason
    for part in ("validation", "test"):  # the same training, looked at otherwise
        assert np.abs(one[part].probabilities - ten[part].probabilities).max() > 1e-3
        np.testing.assert_allclose(ten[part].probabilities.sum(axis=1), 1, rtol=1e-5)


def test_sequences_are_a_dataset_like_any_other(dataset, fold, planned_of, callback):
    sequences = replace(dataset, images=np.stack([dataset.images] * 3, axis=1))
    record, predictions = run_trial(replace(planned_of("tiny", epochs=8), dataset=sequences), callback)
    assert record.status == "finished", record.reason
    assert record.num_parameters == 3 * 12 * 12 * 3 + 3
    assert (predictions["test"].probabilities.argmax(1) == predictions["test"].labels).mean() > 0.8


def test_soft_labels_come_with_the_dataset(dataset, fold, planned_of, callback):
    planned = planned_of("tiny", epochs=8, soft_labels=True)
    record, _ = run_trial(planned, callback)
    assert record.status == "failed" and "the dataset has no label distributions" in record.reason
    soft = 0.4 * np.eye(3, dtype=np.float32)[dataset.labels] + 0.2
    record, predictions = run_trial(replace(planned, dataset=replace(dataset, soft_labels=soft)), callback)
    test = predictions["test"]
    assert (test.probabilities.argmax(1) == test.labels).mean() > 0.8
    assert test.probabilities.max() < 0.9  # as unsure as the labels are


def test_float16_without_a_gpu_is_refused_in_one_sentence(run, monkeypatch):
    monkeypatch.setattr("fer_bench.training.machine._accelerators", lambda backend: [])
    record, _ = run("tiny", precision="mixed_float16")
    assert record.status == "failed"
    assert "mixed_float16 needs a GPU, and this machine has none" in record.reason


def test_what_a_machine_supports():
    assert precision_unsupported("float32", "tensorflow") is None
    assert precision_unsupported("mixed_bfloat16", "tensorflow") is None


def test_parameters_are_counted_whether_they_are_trained_or_not(run, monkeypatch):
    from fer_bench.registry.architectures import ARCHITECTURES

    def frozen(inputs, recipe):
        flat = keras.layers.Flatten()(inputs)
        pixels = keras.Input(flat.shape[1:])
        backbone = keras.Model(pixels, keras.layers.Dense(4, name="block1_dense")(pixels), name="backbone")
        return keras.layers.Dense(recipe.classes)(backbone(flat))

    monkeypatch.setattr(ARCHITECTURES, "function", lambda name: frozen)
    for blocks in (0, "all"):
        record, _ = run("tiny", **{"backbone.trainable_blocks": blocks})
        assert record.status == "finished", record.reason
        assert record.num_parameters == 144 * 4 + 4 + 4 * 3 + 3
