"""The values of --set, and its precedence over other flags."""

import pytest

from fer_bench.cli.train import recipe_overrides


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["optimizer.learning_rate=3e-4"], {"optimizer.learning_rate": 3e-4}),
        (["loss=focal", "soft_labels=true"], {"loss": "focal", "soft_labels": True}),
        (["crop=null", "tta=1"], {"crop": None, "tta": 1}),
        (["augmentation=imgaug:light"], {"augmentation": "imgaug:light"}),
        (["backbone.trainable_blocks=[[0,0],[0.5,all]]"], {"backbone.trainable_blocks": [[0, 0], [0.5, "all"]]}),
        (["epochs=3", "epochs=4"], {"epochs": 4}),
        (["epochs = 3"], {"epochs": 3}),
    ],
)
def test_the_values_of_set_are_yaml(settings, expected):
    assert recipe_overrides(None, None, None, tuple(settings)) == expected


def test_set_overrides_a_flag_with_the_same_key():
    assert recipe_overrides(7, 8, "random", ("epochs=3",)) == {
        "epochs": 3,
        "batch_size": 8,
        "initial_weights": "random",
    }
