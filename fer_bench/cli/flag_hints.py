"""Flags that people know from other programs, and what they are called here."""

from __future__ import annotations

from collections.abc import Mapping

import click

# Flag → the setting of a recipe.
SETTINGS = {
    **dict.fromkeys(("learning-rate", "lr", "base-lr", "init-lr", "initial-lr"), "optimizer.learning_rate=3e-4"),
    **dict.fromkeys(("optimizer", "optim", "opt"), "optimizer.name=sgd"),
    **dict.fromkeys(("weight-decay", "wd", "decay"), "optimizer.weight_decay=1e-4"),
    **dict.fromkeys(("clip", "clip-grad", "grad-clip", "clip-norm", "max-grad-norm"), "optimizer.clip_norm=1"),
    **dict.fromkeys(("ema", "model-ema"), "optimizer.ema=0.999"),
    **dict.fromkeys(("scheduler", "schedule", "lr-scheduler", "lr-schedule", "lr-policy"), "schedule.name=cosine"),
    **dict.fromkeys(("warmup", "warmup-epochs"), "schedule.warmup_epochs=1"),
    **dict.fromkeys(("image-size", "img-size", "imgsz", "input-size", "input-shape", "resolution"), "input_size=96"),
    **dict.fromkeys(("resize", "target-size", "size"), "input_size=96"),
    **dict.fromkeys(("crop", "crop-size"), "crop=44"),
    **dict.fromkeys(("augmentation", "augment", "aug", "data-augmentation"), "augmentation=strong"),
    **dict.fromkeys(("dropout", "drop-rate", "dropout-rate", "drop"), "dropout=0.5"),
    **dict.fromkeys(("early-stopping", "patience", "early-stop"), "patience=10"),
    **dict.fromkeys(("class-weight", "class-weights"), "class_weights=balanced"),
    **dict.fromkeys(("precision", "mixed-precision", "amp", "fp16", "bf16", "half"), "precision=mixed_bfloat16"),
    **dict.fromkeys(("label-smoothing", "smoothing"), "label_smoothing=0.1"),
    **dict.fromkeys(("loss", "loss-function", "criterion"), "loss=focal"),
    **dict.fromkeys(("freeze", "freeze-backbone", "trainable-layers"), "backbone.trainable_blocks=0"),
    **{name: f"optimizer.{name}=0.9" for name in ("momentum", "nesterov")},
    **{name: f"augmentation.{name}=0.2" for name in ("mixup", "cutmix", "flip", "rotation", "zoom", "brightness")},
    **{"random-erasing": "augmentation.random_erasing=0.3", "sampling": "sampling=balanced", "tta": "tta=flip"},
}
# Flag → options, of which a command has one.
OPTIONS = {
    **dict.fromkeys(("dataset-path", "dataset-dir", "dataset-root", "data-path", "data-root", "root"), ("--data-dir",)),
    **dict.fromkeys(("data", "input", "input-dir", "csv", "train-dir", "images"), ("--data-dir",)),
    **dict.fromkeys(("output-dir", "out-dir", "out", "outdir", "save-dir", "save-path"), ("--results-dir", "--output")),
    **dict.fromkeys(("output", "results", "result-dir", "log-dir", "logdir", "run-dir"), ("--results-dir", "--output")),
    **dict.fromkeys(("checkpoint-dir", "ckpt-dir", "work-dir", "project"), ("--results-dir", "--output")),
    **dict.fromkeys(("models", "model", "model-name", "arch", "architecture", "net"), ("--models", "--model")),
    **dict.fromkeys(("network", "backbone", "architectures"), ("--models", "--model")),
    **dict.fromkeys(("dataset", "datasets", "dataset-name"), ("--datasets", "--dataset")),
    **dict.fromkeys(("protocol", "protocols", "folds", "kfold", "k-fold", "cv"), ("--protocols", "--protocol")),
    **dict.fromkeys(("split", "test-size", "val-split", "validation-split"), ("--protocols", "--protocol")),
    **dict.fromkeys(("side", "size", "img-size", "imgsz", "resize", "resolution", "target-size"), ("--image-size",)),
    **dict.fromkeys(("batch", "bs", "batchsize"), ("--batch-size",)),
    **dict.fromkeys(("epoch", "num-epochs", "n-epochs", "nb-epochs", "max-epochs"), ("--epochs",)),
    **dict.fromkeys(("seed", "random-seed", "random-state", "num-seeds", "runs", "repeats"), ("--seeds",)),
    **dict.fromkeys(("workers", "num-workers", "n-jobs", "processes", "parallel"), ("--jobs",)),
    **dict.fromkeys(("pretrained", "imagenet", "from-scratch", "init", "initial-weights"), ("--weights",)),
    **dict.fromkeys(("weights", "weights-file", "checkpoint", "ckpt", "model-path", "load"), ("--model-file",)),
    **dict.fromkeys(("load-model", "load-weights", "resume-from"), ("--model-file",)),
    **dict.fromkeys(("config", "cfg", "yaml", "config-file"), ("--experiment", "--recipe", "--preprocessing")),
    **dict.fromkeys(("save-model", "save", "save-models", "save-weights"), ("--keep-models",)),
    **dict.fromkeys(("force", "rerun", "restart"), ("--overwrite",)),
    **dict.fromkeys(("num-gpus", "n-gpu", "gpus-per-trial"), ("--devices-per-trial",)),
    **dict.fromkeys(("timeout", "max-time", "time-limit"), ("--budget", "--trial-timeout")),
    **dict.fromkeys(("skip-bad", "skip-errors", "ignore-errors", "skip-corrupt"), ("--skip-invalid",)),
    **dict.fromkeys(("no-cache", "reload", "force-reload"), ("--refresh",)),
    **dict.fromkeys(("framework", "engine"), ("--backend",)),
    **dict.fromkeys(("metrics", "sort", "sort-by", "rank-by"), ("--metric",)),
}
SENTENCES = {
    **dict.fromkeys(
        ("gpu", "gpus", "device", "cuda", "use-gpu", "gpu-id", "cpu", "no-cuda"),
        "The backend uses a GPU if it has one. Choose GPUs, or none, with the variable CUDA_VISIBLE_DEVICES",
    ),
    **dict.fromkeys(
        ("image", "img", "image-path", "img-path", "source", "video", "video-path", "webcam"),
        "Images and videos are arguments: predict PATH; a camera is predict --camera 0",
    ),
    "resume": "The same command resumes by itself",
    **dict.fromkeys(("num-classes", "n-classes"), "The number of classes is that of the dataset, so it is no option"),
    **dict.fromkeys(
        ("grayscale", "gray", "rgb", "channels", "color"),
        "Images are read as gray, and models that need three channels repeat it",
    ),
}
TRAINING_OPTION = "--set"


def hint(flag: str, command: click.Command, others: Mapping[str, click.Command]) -> str | None:
    """Return a sentence on a flag that a command lacks; None if there is nothing to say about it.

    Args:
        flag: As it was typed, such as --lr.
        command: The command that lacks it.
        others: All commands by name.
    """
    name = flag.lstrip("-").lower().replace("_", "-")
    own = _options(command)
    if f"--{name}" in own:
        return f"{flag} is written --{name}."
    if renamed := [option for option in OPTIONS.get(name, ()) if option in own]:
        return f"There is no option {flag}: use {renamed[0]}."
    if name in SENTENCES:
        return f"There is no option {flag}. {SENTENCES[name]}."
    if name in SETTINGS and TRAINING_OPTION in own:
        return f"There is no option {flag}: use --set {SETTINGS[name]}, or a recipe."
    owners = [other for other, candidate in others.items() if f"--{name}" in _options(candidate)]
    if owners:
        return f"`{command.name}` has no option {flag}; `{'`, `'.join(owners)}` {'have' if len(owners) > 1 else 'has'}."
    if name in SETTINGS:
        return f"`{command.name}` has no option {flag}. It is a setting of training: train --set {SETTINGS[name]}."
    if name in OPTIONS:
        return f"`{command.name}` has no option {flag}; other commands call it {OPTIONS[name][0]}."
    return None


def setting_hint(key: str, value: object) -> str | None:
    """Return the right key for a --set with a key that people know from other programs; None for others."""
    setting = SETTINGS.get(key.lower().replace("_", "-"))
    if setting is None or setting.split("=")[0] == key or isinstance(value, dict):
        return None
    return setting


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}
