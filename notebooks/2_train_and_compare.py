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
# # Train and compare
#
# Two architectures, the same images, the same protocol: which is better, and is the difference real? This takes a few
# minutes with drawn faces on two cores, and about an hour with FER2013. For FER2013, change the line that sets
# `DATASET` to `"fer2013"`.

# %%
import matplotlib.pyplot as plt
import numpy as np

import fer_bench

DATASET = "synthetic"  # for FER2013: "fer2013"
DATA_DIR = "../data"  # the folder with the files of FER2013; drawn faces need none
RESULTS = "../results/notebooks"  # records, models and the leaderboard's page
MODELS = ["cnn_small", "mini_xception"]
SEEDS = 2
EPOCHS = 4  # more epochs give better models

# %% [markdown]
# ## Train
#
# Each seed of each model is one trial. Every trial is recorded when it ends: if you stop this cell and run it again, or
# run it again with one more model, only the missing trials are trained.

# %%
result = fer_bench.run_benchmark(
    models=MODELS,
    datasets=[DATASET],
    seeds=SEEDS,
    recipe={"epochs": EPOCHS},
    data_dir=DATA_DIR,
    results_dir=RESULTS,
)

# %% [markdown]
# ## Compare
#
# One row per model; earlier results of the folder `RESULTS` on the same split are there, too. `accuracy_low` and
# `accuracy_high` are the 95 % confidence interval for the accuracy on the test images. `accuracy_sd` is the standard
# deviation over seeds. `tied` marks the models that paired tests on the same test images cannot tell from the best one,
# so do not report one of these as the winner.

# %%
columns = ["label", "tied", "accuracy", "accuracy_low", "accuracy_high", "accuracy_sd", "macro_f1"]
leaderboard = result.leaderboard[[*columns, "parameters", "training_seconds"]]
leaderboard.round(3)

# %% [markdown]
# ## Training curves
#
# If both lines still rise at the end, train longer. If training rises while validation falls, the model overfits:
# augmentation or fewer epochs help. The model of the best epoch on the validation split is the one that is tested.

# %%
figure, axes = plt.subplots(1, len(MODELS), figsize=(9, 3), sharey=True, squeeze=False, layout="constrained")
for axis, model in zip(axes.flat, MODELS, strict=True):
    for record in result.records:
        if record.trial.architecture == model:
            epochs = [epoch.epoch for epoch in record.history]
            axis.plot(epochs, [epoch.accuracy for epoch in record.history], "C0--")
            axis.plot(epochs, [epoch.validation_accuracy for epoch in record.history], "C1-")
    axis.set(title=model, xlabel="epoch")
axes[0, 0].set_ylabel("accuracy")
legend = figure.legend(["training", "validation"], loc="outside right upper")

# %% [markdown]
# ## Mistakes
#
# The confusion matrix of the best model: each row is a true class and sums to 100 %. Large numbers beside the diagonal
# are pairs of classes that the model confuses. The predictions of every image are stored, so any other score can be
# computed without training again.

# %%
records = fer_bench.load_records(RESULTS).stored
best_model = next(model for model in result.leaderboard["model"] if model in MODELS)
best = [record for record in result.records if record.trial.architecture == best_model]
confusion = np.zeros((len(best[0].classes), len(best[0].classes)))
for record in best:
    test = records[record.trial.key].predictions("test")
    np.add.at(confusion, (test.labels, test.probabilities.argmax(axis=1)), 1)
percent = 100 * confusion / confusion.sum(axis=1, keepdims=True)

figure, axis = plt.subplots(figsize=(5, 5))
axis.imshow(percent, cmap="Blues", vmin=0, vmax=100)
axis.set(title=best_model, xlabel="predicted class", ylabel="true class")
axis.set_xticks(range(len(percent)), best[0].classes, rotation=45)
axis.set_yticks(range(len(percent)), best[0].classes)
for (row, column), value in np.ndenumerate(percent):
    axis.text(column, row, f"{value:.0f}", ha="center", va="center", color="white" if value > 60 else "black")

# %% [markdown]
# The whole leaderboard, with calibration, costs and warnings, is the page `leaderboard.html` in the folder `RESULTS`.
# With small datasets or few seeds, intervals are wide: add seeds before you believe a small difference.
