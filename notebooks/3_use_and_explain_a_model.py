# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Use and explain a model
#
# Load a trained model, predict expressions, and see where the model looks. If notebook 2 was run, its model is used and
# nothing is trained here. For FER2013, change the line that sets `DATASET` to `"fer2013"`.

# %%
import matplotlib.pyplot as plt
import numpy as np

import fer_bench

DATASET = "synthetic"  # for FER2013: "fer2013"
DATA_DIR = "../data"  # the folder with the files of FER2013; drawn faces need none
RESULTS = "../results/notebooks"
MODEL = "cnn_small"
SEEDS = 2  # as in notebook 2, so that its trials are found
EPOCHS = 4
NUM_TESTED = 40  # faces of the last cell

# %%
fer_bench.run_benchmark(
    models=[MODEL],
    datasets=[DATASET],
    seeds=SEEDS,
    recipe={"epochs": EPOCHS},
    data_dir=DATA_DIR,
    results_dir=RESULTS,
)
model = fer_bench.load_model(RESULTS, MODEL, dataset=DATASET)
print(model.description)

# %% [markdown]
# ## Predict
#
# Arrays are taken as cropped faces. `probability` is what the model gives the label that it predicts. A probability of
# 0.4 among seven classes is a guess, however confident the label looks. For photographs, pass paths: with
# `model.predict("photo.jpg")` or `model.predict("folder")`, faces are found and cropped first, and each gets a row.

# %%
dataset = fer_bench.load_dataset(DATASET, data_dir=DATA_DIR)
test = np.arange(len(dataset)) if dataset.split is None else np.flatnonzero(dataset.split == 2)
chosen = test[:: max(1, len(test) // 8)][:8]
predictions = model.predict(list(dataset.images[chosen]))
predictions.insert(1, "true label", [dataset.classes[label] for label in dataset.labels[chosen]])
predictions.drop(columns=["face", "x", "y", "width", "height"]).round(2)

# %% [markdown]
# ## Explain
#
# Bright places in a heat map support the predicted class most. Eyes, brows and mouth should be bright. If the
# background or the hair is, the model has learned something about the dataset instead of about faces.

# %%
figure, axes = plt.subplots(2, len(chosen), figsize=(11, 3.4), squeeze=False)
for column, index in zip(axes.T, chosen, strict=True):
    explanation = model.explain(dataset.images[index])
    column[0].set_title(f"{explanation.label}\n{100 * explanation.probability:.0f} %", fontsize=9)
    column[0].imshow(explanation.face, cmap="gray", vmin=0, vmax=255)
    column[1].imshow(explanation.heat, cmap="inferno", vmin=0, vmax=1)
for axis in axes.flat:
    axis.axis("off")
print(f"Method: {explanation.method}")

# %% [markdown]
# A heat map is a claim, so test it: cover the brightest fifth of the pixels with the mean gray level, then the same
# shape at a random place. If the map is right, the probability falls more in the first case. One face proves little:
# the mean over several counts, and the command `explain` tests 20 images per class.

# %%
rng = np.random.default_rng(0)


def probability_without(face, mask, label):
    """Return the probability of a class after the pixels of a mask are covered."""
    covered = np.where(mask, face.mean(), face).astype(np.uint8)
    return model.predict(covered)[label].iloc[0]


falls = []
for index in test[:: max(1, len(test) // NUM_TESTED)][:NUM_TESTED]:
    explanation = model.explain(dataset.images[index])
    face, label = explanation.face, explanation.label
    marked = explanation.heat >= np.quantile(explanation.heat, 0.8)
    elsewhere = np.roll(marked, rng.integers(0, face.shape), axis=(0, 1))
    falls.append([explanation.probability - probability_without(face, mask, label) for mask in (marked, elsewhere)])
fall_marked, fall_elsewhere = np.mean(falls, axis=0)
print(f"The probability falls by {fall_marked:.2f} without the marked pixels, by {fall_elsewhere:.2f} without others.")
