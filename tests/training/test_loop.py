"""The training loop: learning, the best epoch, early stopping, divergence, measured times."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.config.recipe import resolve
from fer_bench.training import loop
from fer_bench.training.history import Diverged
from fer_bench.training.loop import fit
from fer_bench.training.predict import PredictionResult, predict, softmax

PLAIN = {
    "augmentation": "none",
    "batch_size": 16,
    "schedule.warmup_epochs": 0,
}


def images_and_labels(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images of three classes that differ in the position of the bright rows."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 3)
    bright = np.arange(6) // 2 == labels[:, None]  # (count, 6) rows
    images = rng.normal(80 + 60 * bright[:, :, None], 40, (count, 6, 6))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def dense(seed: int = 0, hidden: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6, 6, 1))
    x = layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
    if hidden:
        x = layers.BatchNormalization()(layers.Dense(hidden, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3)(x))


def train(model: keras.Model, recipe: dict, count: int = 64, **events):
    resolved = resolve(PLAIN, recipe)
    validation = images_and_labels(20, seed=1)
    result = fit(model, *images_and_labels(count), *validation, resolved, seed=3, **events)
    return result, validation


def test_training_learns_and_calls_the_callbacks():
    steps, epochs = [], []
    result, _ = train(
        dense(hidden=8),
        {"epochs": 6, "optimizer.learning_rate": 0.05},
        count=70,
        on_step_end=lambda step, of, loss: steps.append((step, of)),
        on_epoch_end=epochs.append,
    )
    assert result.history == epochs
    assert [e.epoch for e in epochs] == [1, 2, 3, 4, 5, 6]
    assert steps[:5] == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 4)] and len(steps) == 24
    assert epochs[-1].loss < 0.6 * epochs[0].loss
    assert epochs[-1].accuracy > 0.7 and max(e.validation_accuracy for e in epochs) > 0.6
    assert result.images_per_second is not None


def test_the_model_gets_the_weights_of_the_best_epoch():
    model = dense(hidden=8)
    seen = []
    validation = images, labels = images_and_labels(20, seed=1)
    result, _ = train(
        model,
        {"epochs": 6, "optimizer": {"learning_rate": 0.3, "name": "sgd"}, "patience": None},
        on_epoch_end=lambda epoch: seen.append(predict(model, validation[0]).probabilities),
    )
    scores = [(e.validation_accuracy, -e.validation_loss) for e in result.history]
    assert result.best_epoch == 1 + scores.index(max(scores))
    np.testing.assert_array_equal(result.validation_probabilities, seen[result.best_epoch - 1])
    np.testing.assert_array_equal(predict(model, images).probabilities, result.validation_probabilities)
    best = result.history[result.best_epoch - 1]
    assert np.mean(result.validation_probabilities.argmax(1) == labels) == pytest.approx(best.validation_accuracy)
    assert len({probabilities.tobytes() for probabilities in seen}) == 6


@pytest.fixture
def fake_validation(monkeypatch):
    """Replace validation by given accuracies and losses; the bias of the model holds the number of the epoch."""

    def make(accuracies: list[float], losses: list[float] | None = None):
        values = iter(zip(accuracies, losses or [1.0] * len(accuracies), strict=True))

        def predicted(model, images, crop=None):
            model.layers[-1].bias.assign([len(calls), 0, 0])
            calls.append(None)
            accuracy, loss = next(values)
            right = np.arange(len(images)) < round(accuracy * len(images))
            logits = np.where(right, 1.0, -1.0)[:, None] * np.array([loss, 0, 0])
            return PredictionResult(softmax(logits), 0.0, None)

        calls: list = []
        monkeypatch.setattr(loop, "predict", predicted)

    return make


def train_with_fake_validation(recipe: dict):
    model = dense()
    images = np.zeros((10, 6, 6), np.uint8)
    validation = images, np.zeros(10, np.int64)
    result = fit(model, images, np.arange(10) % 3, *validation, resolve(PLAIN, recipe), seed=0)
    return result, float(np.asarray(model.layers[-1].bias)[0])


def test_training_stops_when_patience_is_exhausted(fake_validation):
    fake_validation([0.3, 0.6, 0.5, 0.4, 0.6, 0.9])
    result, bias = train_with_fake_validation({"epochs": 6, "patience": 3})
    assert len(result.history) == 5 and result.best_epoch == 2
    assert bias == 1  # the weights of the second epoch


def test_patience_counts_from_the_best_epoch(fake_validation):
    fake_validation([0.3, 0.2, 0.6, 0.5, 0.7, 0.1])
    result, _ = train_with_fake_validation({"epochs": 6, "patience": 2})
    assert len(result.history) == 6 and result.best_epoch == 5


def test_without_patience_all_epochs_run(fake_validation):
    fake_validation([0.9, 0.1, 0.1, 0.1])
    result, bias = train_with_fake_validation({"epochs": 4, "patience": None})
    assert len(result.history) == 4 and (result.best_epoch, bias) == (1, 0)


def test_equal_accuracies_are_ranked_by_loss(fake_validation):
    fake_validation([0.5, 0.5, 0.5], losses=[1.0, 0.5, 2.0])
    result, _ = train_with_fake_validation({"epochs": 3})
    losses = [e.validation_loss for e in result.history]
    assert result.best_epoch == 1 + losses.index(min(losses)) != 1


def nan_model(steps: int) -> keras.Model:
    """Return a model whose outputs are NaN after some training steps."""

    class Counting(layers.Layer):
        def build(self, shape):
            self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x, training=False):
            if training:
                self.seen.assign_add(1.0)
            return x + keras.ops.where(self.seen > steps, float("nan"), 0.0)

    inputs = keras.Input((6, 6, 1))
    return keras.Model(inputs, Counting()(layers.Dense(3)(layers.Flatten()(inputs))))


def test_a_nan_loss_stops_training_and_names_the_step():
    epochs = []
    with pytest.raises(Diverged, match="epoch 2, step 2 of 4"):
        train(nan_model(5), {"epochs": 3}, on_epoch_end=epochs.append)
    assert [e.epoch for e in epochs] == [1]


def test_a_huge_learning_rate_diverges():
    with pytest.raises(Diverged, match=r"nan|inf"):
        train(dense(), {"epochs": 5, "optimizer": {"name": "sgd", "learning_rate": 1e38, "weight_decay": 0}})


def test_a_nan_validation_loss_diverges(monkeypatch):
    monkeypatch.setattr(
        loop, "predict", lambda model, x, crop: PredictionResult(np.full((len(x), 3), np.nan, np.float32), 0.0, None)
    )
    with pytest.raises(Diverged, match="validation loss"):
        train(dense(), {"epochs": 2})


@pytest.mark.parametrize("count", [1, 4, 11])
def test_predictions_keep_their_order_through_a_partial_last_batch(monkeypatch, count):
    monkeypatch.setattr("fer_bench.training.predict.PREDICTION_BATCH_SIZE", 4)
    inputs = keras.Input((2, 2, 1))
    model = keras.Model(inputs, layers.Flatten()(inputs))
    images = np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2)
    predicted = predict(model, images)
    np.testing.assert_array_equal(predicted.probabilities, softmax(images.reshape(count, 4)))
    assert predicted.probabilities.dtype == np.float32
    assert (predicted.images_per_second is not None) == (count > 4)


def test_the_history_contains_the_learning_rate():
    result, _ = train(dense(), {"epochs": 3, "optimizer.learning_rate": 0.1, "schedule.final_lr_ratio": 0.1})
    rate = [e.learning_rate for e in result.history]
    assert 0.1 > rate[0] > rate[1] > rate[2] > 0.01


def test_accuracy_is_correct_with_label_smoothing():
    result, _ = train(dense(), {"epochs": 8, "label_smoothing": 0.1, "optimizer.learning_rate": 0.05})
    assert result.history[-1].accuracy > 0.6 and result.history[-1].loss > 0.3


def test_softmax_handles_large_logits():
    probabilities = softmax(np.array([[1000.0, 0.0, -1000.0], [0.0, 0.0, 0.0]], np.float32))
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)
    assert probabilities.dtype == np.float32
