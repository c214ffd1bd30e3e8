"""Train a network as many student projects do: pandas row by row, ImageDataGenerator, Model.fit, Adam.

    python benchmarks/student_script.py fer2013.csv --epochs 50

`script.py` runs it in a process of its own, with the settings of TensorFlow as installed. It uses nothing of fer_bench.
After each epoch it prints the seconds since its start and the validation accuracy.
"""

import time

START = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from keras import layers  # noqa: E402
from keras.src.legacy.preprocessing.image import ImageDataGenerator  # noqa: E402


def read(csv_file):
    table = pd.read_csv(csv_file)
    images: dict = {usage: [] for usage in ("Training", "PublicTest", "PrivateTest")}
    labels: dict = {usage: [] for usage in images}
    for _, row in table.iterrows():
        pixels = np.array(row["pixels"].split(" "), "float32")
        images[row["Usage"]].append(pixels.reshape(48, 48, 1) / 255)
        labels[row["Usage"]].append(row["emotion"])
    return {
        usage: (np.array(images[usage]), keras.utils.to_categorical(labels[usage], 7))
        for usage in images
        if images[usage]
    }


def build():
    model = keras.Sequential([keras.Input((48, 48, 1))])
    for filters, convolutions in ((32, 1), (64, 2), (128, 2), (256, 2)):
        for _ in range(convolutions):
            model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
            model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.4))
    model.add(layers.Dense(7, activation="softmax"))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


class PrintEpoch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        row = {"seconds": time.perf_counter() - START, "validation_accuracy": float(logs["val_accuracy"])}
        print(json.dumps(row), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("csv_file")
parser.add_argument("--epochs", type=int, default=50)
arguments = parser.parse_args()

keras.utils.set_random_seed(0)
data = read(arguments.csv_file)
augmentation = ImageDataGenerator(
    rotation_range=10, width_shift_range=0.1, height_shift_range=0.1, zoom_range=0.1, horizontal_flip=True
)
network = build()
network.fit(
    augmentation.flow(*data["Training"], batch_size=64),
    validation_data=data["PublicTest"],
    epochs=arguments.epochs,
    callbacks=[PrintEpoch()],
    verbose=0,
)
network.evaluate(*data["PrivateTest"], verbose=0)
