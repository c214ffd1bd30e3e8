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
# # Explore a dataset and its audit
#
# What is in a dataset, and can its test split be trusted? This takes a few seconds with drawn faces and some minutes
# with FER2013. For FER2013, change the line that sets `DATASET` to `"fer2013"`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import fer_bench

DATASET = "synthetic"  # for FER2013: "fer2013"
DATA_DIR = "../data"  # the folder with the files of FER2013; drawn faces need none

# %% [markdown]
# ## The images
#
# A dataset is a set of arrays: pixels, labels and, if the authors published one, a split. `images` is mapped from a
# file, so a large dataset takes no memory until you use it.

# %%
dataset = fer_bench.load_dataset(DATASET, data_dir=DATA_DIR)
print(f"{len(dataset):,} images of {dataset.images.shape[2]}×{dataset.images.shape[1]} pixels: {dataset.classes}")

# %% [markdown]
# Two images of each class. Which classes would you confuse? Models usually confuse the same ones.

# %%
figure, axes = plt.subplots(2, len(dataset.classes), figsize=(9, 3))
for column, name in zip(axes.T, dataset.classes, strict=True):
    column[0].set_title(name, fontsize=9)
    chosen = np.flatnonzero(dataset.labels == dataset.classes.index(name))[:2]
    for axis, index in zip(column, chosen, strict=False):
        axis.imshow(dataset.images[index], cmap="gray", vmin=0, vmax=255)
for axis in axes.flat:
    axis.axis("off")

# %% [markdown]
# ## The classes
#
# The number of images per class and split. In FER2013, `disgust` is rare: a model that never predicts it loses little
# accuracy but much macro F1, which counts each class equally. Therefore, read both scores.

# %%
splits = ["training", "validation", "test"]
split = pd.Series("none", range(len(dataset))) if dataset.split is None else np.array(splits)[dataset.split]
counts = pd.crosstab(np.array(dataset.classes)[dataset.labels], split, rownames=["class"], colnames=["split"])
counts

# %% [markdown]
# ## The audit
#
# An image that is both in the test split and in training or validation makes a model look better than it is. The audit
# compares all images: identical pixels, and copies that were mirrored, rotated, cropped or brightened. Identical images
# with different labels show how often the annotators disagree with themselves.

# %%
found = fer_bench.audit_dataset(DATASET, data_dir=DATA_DIR)
audit = pd.Series(
    {
        "test images": found.num_tested,
        "test images that are identical to one in training or validation": found.total("test_duplicates"),
        "other test images that have a changed copy there": found.total("test_near_duplicates"),
        "groups of identical images in the whole dataset": len(found.duplicates),
        "groups of identical images with different labels": found.num_conflicting,
        "images of a single gray level": len(found.constant),
    },
    name="number",
)
audit.to_frame()

# %% [markdown]
# No two drawn faces are identical. Some are reported as changed copies although each was drawn anew: few lines make a
# face, so two faces with the same expression and pose can match. Look at reported copies before you believe in them. In
# FER2013, 314 of 3,589 test images have an identical image in another split and 822 more a changed copy, most of them
# another crop of the same photograph. With identical images, compare models also under the protocol `official-dedup`,
# which trains without them. The changed copies that were found:

# %%
copies = pd.DataFrame(
    [(dataset.ids[first], dataset.ids[second], str(change)) for first, second, change in found.near_duplicates],
    columns=["image", "copy", "what was done to the copy"],
)
copies.head(10)

# %% [markdown]
# The first pairs: the image above, the copy below. Is it the same photograph?

# %%
pairs = found.near_duplicates[:8]
if pairs:
    pair_figure, axes_of_pairs = plt.subplots(2, len(pairs), figsize=(1.2 * len(pairs), 2.6), squeeze=False)
    for row, indices in zip(axes_of_pairs, zip(*[pair[:2] for pair in pairs], strict=True), strict=True):
        for axis, index in zip(row, indices, strict=True):
            axis.imshow(dataset.images[index], cmap="gray", vmin=0, vmax=255)
            axis.axis("off")
