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
# # Add an architecture
#
# Write a network, check it, and put it on the leaderboard beside another one. This takes a few minutes with drawn faces
# on two cores. For FER2013, change the line that sets `DATASET` to `"fer2013"`.

# %%
from pathlib import Path

import fer_bench

DATASET = "synthetic"  # for FER2013: "fer2013"
DATA_DIR = "../data"  # the folder with the files of FER2013; drawn faces need none
RESULTS = "../results/notebooks"
BASELINES = ["cnn_small"]
SEEDS = 2
EPOCHS = 4

# %% [markdown]
# ## Write it
#
# An architecture is one function in a file of its own, because trials run in other processes, which import it. It gets
# raw pixels and returns logits, one per class. `rescale_input` and `classification_head` do what every network needs.

# %%
SOURCE = '''
"""A network for trying things out."""

from keras import layers

from fer_bench.layers import classification_head, conv_block, rescale_input
from fer_bench import register_architecture


@register_architecture("notebook_net", family="notebook_net", num_parameters=94_247)
def notebook_net(inputs, recipe):
    """Three blocks of convolutions, global average pooling, one dense layer."""
    x = rescale_input(inputs, recipe)
    for filters in (32, 64, 128):
        x = conv_block(x, filters)
    return classification_head(layers.GlobalAveragePooling2D()(x), recipe)
'''
file = Path(RESULTS) / "notebook_net.py"
file.parent.mkdir(parents=True, exist_ok=True)
file.write_text(SOURCE, encoding="utf-8")
print(f"Written: {file}")

# %% [markdown]
# ## Check it
#
# The checks find what would otherwise fail after hours: a gradient that does not reach a layer, a model that cannot be
# saved, a softmax too many. A failed check says what to do. Change `num_parameters` above to 1 and see.

# %%
checks = fer_bench.check_architecture("notebook_net", extra_architectures=[file])
checks

# %% [markdown]
# ## Compare it
#
# A new network is compared like any other. If it is `tied`, the difference to the best may be chance. Fewer
# parameters or seconds at the same accuracy are a result, too.

# %%
result = fer_bench.run_benchmark(
    models=["notebook_net", *BASELINES],
    datasets=[DATASET],
    seeds=SEEDS,
    recipe={"epochs": EPOCHS},
    extra_architectures=[file],
    data_dir=DATA_DIR,
    results_dir=RESULTS,
)
leaderboard = result.leaderboard[["label", "tied", "accuracy", "macro_f1", "parameters", "training_seconds"]]
leaderboard.round(3)

# %% [markdown]
# To keep the network, move its file to `architectures/`: the command line then knows it as well. If you change the
# function, its trials run again, because the key of a trial contains a digest of the source.
