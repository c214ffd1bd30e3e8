"""A trial, from its specification to its record."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from fer_bench.config.recipe import Recipe, resolve
from fer_bench.core.errors import UserError
from fer_bench.training.callback import Callback
from fer_bench.training.machine import precision_unsupported
from fer_bench.training.predict import softmax
from fer_bench.training.train import build_model, run_trial

pytestmark = pytest.mark.usefixtures("tiny_architectures")


@pytest.fixture
def run(planned_of, callback):
    def run(architecture: str, seed: int = 0, **recipe):
        return run_trial(planned_of(architecture, seed, **recipe), callback)

    return run


@pytest.fixture
def fold(planned_of):
    return planned_of("tiny").fold


def test_a_finished_record_is_complete(run, dataset, fold, callback):
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
        assert getattr(record.costs, cost) is not None
    assert record.costs.peak_memory_bytes is None or record.costs.peak_memory_bytes > 10_000_000
    assert record.costs.flops == 2 * 12 * 12 * 3
    assert record.costs.model_bytes > 4 * record.num_parameters
    assert record.costs.latency_p50_seconds is not None and record.costs.latency_p95_seconds is not None
    assert record.costs.predict_batch_size == 18
    assert [e for e in callback.events if e[0] == "epoch"] == [("epoch", i, 3) for i in (1, 2, 3)]
    assert callback.events.count(("step", 1, 3)) == 3

    for split in ("validation", "test"):
        of, indices = predictions[split], getattr(fold, split)
        np.testing.assert_array_equal(of.ids, dataset.ids[indices])
        np.testing.assert_array_equal(of.labels, dataset.labels[indices])
        assert of.probabilities.shape == (len(indices), 3) and of.probabilities.dtype == np.float32
        np.testing.assert_allclose(of.probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (of.probabilities >= 0).all()
    best = record.history[record.best_epoch - 1]
    hits = predictions["validation"].probabilities.argmax(1) == predictions["validation"].labels
    assert hits.mean() == pytest.approx(best.validation_accuracy)


def test_notes_on_the_split_are_recorded(fold, planned_of, callback):
    no_duplicate = np.arange(18) % 3 > 0
    known = replace(fold, no_duplicate=no_duplicate, notes=("leaky",))
    record, predictions = run_trial(replace(planned_of("tiny", epochs=1), fold=known), callback)
    assert record.split_notes == ["leaky"]
    np.testing.assert_array_equal(predictions["test"].no_duplicate, no_duplicate)
    assert predictions["validation"].no_duplicate is None


def test_a_trial_learns(run):
    _, predictions = run("tiny", epochs=8)
    test = predictions["test"]
    assert (test.probabilities.argmax(1) == test.labels).mean() > 0.8  # chance is a third


def test_the_same_trial_gives_the_same_predictions_to_the_byte(run):
    _, one = run("tiny_dropout")
    run("tiny", seed=5)  # another trial in between
    _, again = run("tiny_dropout")
    _, other = run("tiny_dropout", seed=1)
    for split in ("validation", "test"):
        assert one[split].probabilities.tobytes() == again[split].probabilities.tobytes()
        assert one[split].probabilities.tobytes() != other[split].probabilities.tobytes()


def test_predictions_contain_known_subjects(dataset, fold, planned_of, callback):
    persons = np.array([f"S{i % 7}" for i in range(len(dataset))])
    for subjects, expected in ((persons, persons), (None, None)):
        known = replace(dataset, subjects=subjects)
        _, predictions = run_trial(replace(planned_of("tiny", epochs=1), dataset=known), callback)
        for split in ("validation", "test"):
            of = predictions[split].groups
            assert of is None if expected is None else (of == expected[getattr(fold, split)]).all()


def test_measuring_inference_costs_changes_no_prediction(run, monkeypatch):
    _, measured = run("tiny_dropout")
    monkeypatch.setattr("fer_bench.training.train.measure_inference_costs", lambda model, model_file: {})
    record, unmeasured = run("tiny_dropout")
    assert record.costs.flops is None
    for split in ("validation", "test"):
        assert measured[split].probabilities.tobytes() == unmeasured[split].probabilities.tobytes()


def test_a_saved_model_gives_the_recorded_predictions(dataset, fold, planned_of, callback, tmp_path):
    file = tmp_path / "model.keras"
    record, predictions = run_trial(replace(planned_of("tiny_dropout", epochs=3), model_file=file), callback)
    assert record.costs.model_bytes == file.stat().st_size
    logits = keras.saving.load_model(file).predict_on_batch(dataset.images[fold.test][..., None])
    np.testing.assert_allclose(softmax(logits), predictions["test"].probabilities, rtol=1e-5)


def test_a_model_that_cannot_be_saved_is_a_warning(planned_of, callback, tmp_path, caplog):
    (tmp_path / "full").write_text("")
    file = tmp_path / "full" / "model.keras"
    record, predictions = run_trial(replace(planned_of("tiny", epochs=1), model_file=file), callback)
    assert record.status == "finished" and predictions
    assert "'tiny' cannot be saved" in caplog.text


def test_an_exception_of_an_architecture_is_a_failed_record(run):
    record, predictions = run("tiny_raising")
    assert record.status == "failed"
    assert record.reason == "ValueError: no room for this layer [/job:localhost]"
    assert predictions == {} and record.history == [] and record.costs is None


def test_nan_logits_are_a_diverged_record(run):
    record, predictions = run("tiny_nan")
    assert record.status == "diverged"
    assert "epoch 1, step 1 of 3" in record.reason
    assert predictions == {}


def test_a_failed_record_contains_the_epochs_before_the_failure(planned_of):
    class Failing(Callback):
        def on_epoch_end(self, planned, epoch):
            if epoch.epoch == 2:
                raise MemoryError("no memory left")

    record, _ = run_trial(planned_of("tiny", epochs=3), Failing())
    assert record.status == "failed" and record.reason == "MemoryError: no memory left"
    assert [e.epoch for e in record.history] == [1, 2]


def test_logits_of_a_wrong_shape_are_an_error(run):
    record, _ = run("tiny_misshapen")
    assert record.status == "failed"
    assert "'tiny_misshapen' must return float32 logits" in record.reason
    assert "(None, 10, 10, 4)" in record.reason


def test_build_model_rejects_other_outputs_than_logits():
    assert build_model("tiny", Recipe(), (12, 12), 3).output_shape == (None, 3)
    with pytest.raises(UserError, match="float32 logits"):
        build_model("tiny_misshapen", Recipe(), (12, 12), 7)


def test_an_interrupt_passes_through(planned_of):
    class Interrupting(Callback):
        def on_step_end(self, planned, step, steps, loss):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record, _ = run_trial(planned_of("tiny"), Interrupting())
        pytest.fail(f"{record.status}: {record.reason}")


def test_precision_is_reset_after_a_trial(run):
    record, _ = run("tiny_dropout", precision="mixed_bfloat16")
    assert record.status == "failed"  # its logits are bfloat16, which are too coarse for probabilities
    assert "must return float32 logits" in record.reason and "bfloat16" in record.reason
    assert run("tiny_dropout")[0].status == "finished"


class RecordedImages(np.ndarray):
    """Images that record which of them are read, and when."""

    events: list

    def __array_finalize__(self, obj):
        self.events = getattr(obj, "events", None)

    def __getitem__(self, key):
        if self.events is not None:
            self.events.append(("images", np.arange(len(self))[key]))
        return super().__getitem__(key).view(np.ndarray)

    def __array__(self, *args, **kwargs):
        raise AssertionError("all images were read at once")


def test_the_test_images_are_read_once_after_training(dataset, fold, planned_of, callback):
    images = dataset.images.view(RecordedImages)
    images.events = callback.events
    planned = planned_of("tiny", epochs=3, batch_size=20)
    record, _ = run_trial(replace(planned, dataset=replace(dataset, images=images)), callback)
    assert record.status == "finished", record.reason
    taken = [np.atleast_1d(event[1]) for event in callback.events if event[0] == "images"]
    assert set(fold.training) <= set(np.concatenate(taken))  # the recording works
    opened = [
        position
        for position, event in enumerate(callback.events)
        if event[0] == "images" and set(np.atleast_1d(event[1])) & set(fold.test)
    ]
    last_epoch = max(position for position, event in enumerate(callback.events) if event[0] == "epoch")
    assert len(opened) == 1 and opened[0] > last_epoch
    assert set(callback.events[opened[0]][1]) == set(fold.test)


def test_the_function_gets_the_recipe_with_classes_and_weights(tmp_path, tiny_architectures, monkeypatch):
    from fer_bench.registry.architectures import ARCHITECTURES

    seen = []

    def spy(inputs, recipe):
        seen.append(recipe)
        return tiny(inputs, recipe)

    tiny = ARCHITECTURES.function("tiny")
    monkeypatch.setattr(ARCHITECTURES, "function", lambda name: spy)
    build_model("tiny", resolve({"dropout": 0.25}), (12, 12), 4, tmp_path / "weights.h5")
    assert (seen[0].dropout, seen[0].classes, seen[0].weights_file) == (0.25, 4, tmp_path / "weights.h5")


def test_the_input_shape_depends_on_crop_and_sequence():
    assert build_model("tiny", resolve({"crop": 8}), (12, 12), 3).input_shape == (None, 8, 8, 1)
    assert build_model("tiny", resolve(), (5, 12, 10), 3).input_shape == (None, 5, 12, 10, 1)
    assert build_model("tiny", resolve({"crop": 8}), (5, 12, 10), 3).input_shape == (None, 5, 8, 8, 1)
    with pytest.raises(UserError, match="crop"):
        build_model("tiny", resolve({"crop": 11}), (12, 10), 3)


def test_predictions_use_the_tta_of_the_recipe(run):
    _, one = run("tiny", epochs=3, crop=8)
    record, ten = run("tiny", epochs=3, crop=8, tta="ten-crop")
    assert record.status == "finished", record.reason
    for split in ("validation", "test"):  # the same training with other predictions
        assert np.abs(one[split].probabilities - ten[split].probabilities).max() > 1e-3
        np.testing.assert_allclose(ten[split].probabilities.sum(axis=1), 1, rtol=1e-5)


def test_sequences_can_be_trained(dataset, fold, planned_of, callback):
    sequences = replace(dataset, images=np.stack([dataset.images] * 3, axis=1))
    record, predictions = run_trial(replace(planned_of("tiny", epochs=8), dataset=sequences), callback)
    assert record.status == "finished", record.reason
    assert record.num_parameters == 3 * 12 * 12 * 3 + 3
    assert (predictions["test"].probabilities.argmax(1) == predictions["test"].labels).mean() > 0.8


def test_soft_labels_belong_to_the_dataset(dataset, fold, planned_of, callback):
    planned = planned_of("tiny", epochs=8, soft_labels=True)
    record, _ = run_trial(planned, callback)
    assert record.status == "failed" and "the dataset has no label distributions" in record.reason
    soft = 0.4 * np.eye(3, dtype=np.float32)[dataset.labels] + 0.2
    record, predictions = run_trial(replace(planned, dataset=replace(dataset, soft_labels=soft)), callback)
    test = predictions["test"]
    assert (test.probabilities.argmax(1) == test.labels).mean() > 0.8
    assert test.probabilities.max() < 0.9  # the labels are uncertain, too


def test_float16_requires_a_gpu(run, monkeypatch):
    monkeypatch.setattr("fer_bench.training.machine._accelerators", lambda backend: [])
    record, _ = run("tiny", precision="mixed_float16")
    assert record.status == "failed"
    assert "needs a GPU" in record.reason


def test_precisions_of_every_machine():
    assert precision_unsupported("float32", "tensorflow") is None
    assert precision_unsupported("mixed_bfloat16", "tensorflow") is None


def test_frozen_parameters_are_counted(run, monkeypatch):
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
