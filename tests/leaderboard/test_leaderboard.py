"""The leaderboard's numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_up_records import MACHINE, exact, history, leaderboard_of

from fer_bench.config.recipe_names import shorten_recipe
from fer_bench.leaderboard.leaderboard import compute_leaderboard, sections
from fer_bench.records import StoredRecord, load
from fer_bench.report.markdown import to_markdown


def frame_of(make):
    return leaderboard_of(make).frame


def test_mean_and_standard_deviation_over_seeds(make):
    labels = [0, 0, 0, 0, 1, 2, 2, 1, 1, 0]
    for seed, right in enumerate((5, 6, 9)):
        predicted = [label if i < right else (label + 1) % 3 for i, label in enumerate(labels)]
        make(seed=seed, test=exact(labels, predicted), validation=exact(labels, labels), seconds=60 + seed)
    row = frame_of(make).iloc[0]
    assert row["seeds"] == 3
    assert row["accuracy"] == pytest.approx(2 / 3)
    assert row["accuracy_sd"] == pytest.approx(math.sqrt((1 / 6**2 + 1 / 15**2 + (7 / 30) ** 2) / 2))
    assert row["validation_accuracy"] == 1
    assert row["training_seconds"] == pytest.approx(61)
    assert row["images_per_second"] == 1234.5
    assert (row["epochs"], row["best_epoch"], row["parameters"], row["test_images"]) == (10, 8, 1_330_000, 10)


def test_one_seed_has_no_standard_deviation(make):
    make()
    assert math.isnan(frame_of(make).iloc[0]["accuracy_sd"])


def test_rows_are_sorted_by_dataset_then_accuracy_with_failed_rows_last(make):
    make("poor", dataset="b", accuracy=0.3)
    make("good", dataset="b", accuracy=0.8)
    make("broken", dataset="b", status="failed", reason="out of memory")
    make("only", dataset="a", accuracy=0.1)
    frame = frame_of(make)
    assert frame["model"].tolist() == ["only", "good", "poor", "broken"]
    assert frame["rank"].fillna(0).tolist() == [1, 1, 2, 0]
    last = frame.iloc[-1]
    assert (last["status"], last["reason"], last["seeds"], last["failed"]) == ("failed", "out of memory", 0, 1)
    assert math.isnan(last["accuracy"])


def test_a_failed_seed_is_counted_beside_the_finished_ones(make):
    make(seed=0)
    make(seed=1, status="diverged", reason="loss is NaN")
    row = frame_of(make).iloc[0]
    assert (row["seeds"], row["failed"], row["status"]) == (1, 1, "finished")


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"recipe": {"epochs": 20}, "recipe_name": "long"}, "cnn long"),
        ({"recipe": {"epochs": 20}}, "cnn (epochs=20)"),
        ({"backend": "jax"}, "cnn (jax)"),
        ({"weights": "imagenet:0123456789"}, "cnn (imagenet 012345)"),
        ({"source": "1" * 64}, "cnn (source 111111)"),
    ],
)
def test_different_trials_are_different_rows_with_different_labels(make, change, label):
    make()
    make(**change)
    frame = frame_of(make)
    assert len(frame) == 2
    assert label in frame["label"].tolist()
    assert frame["label"].is_unique


def test_labels_of_two_recipes_have_only_what_differs(make):
    make(recipe_name="default, epochs=3, dropout=0")
    make(recipe={"epochs": 20}, recipe_name="frozen, epochs=3, dropout=0")
    make(recipe={"epochs": 30}, recipe_name="frozen, epochs=4, dropout=0")
    frame = frame_of(make)
    assert sorted(frame["label"]) == ["cnn default, epochs=3", "cnn frozen, epochs=3", "cnn frozen, epochs=4"]
    assert "default, epochs=3, dropout=0" in frame["recipe"].tolist()


def test_short_names_count_the_changes_of_a_recipe(make):
    changes = ", ".join(f"optimizer.key{i}={i}" for i in range(9))
    make()
    make(recipe={"epochs": 20}, recipe_name=f"frozen, {changes}")
    row = frame_of(make).set_index("short_recipe").loc["frozen + 9 changes"]
    assert (row["label"], row["recipe_changes"]) == ("cnn frozen + 9 changes", changes)
    assert row["recipe"] == f"frozen, {changes}"


def test_equal_short_names_have_the_ids_of_their_rows(make):
    make(recipe={"epochs": 20}, recipe_name="frozen, a=1, b=2")
    make(recipe={"epochs": 30}, recipe_name="frozen, a=2, b=1")
    for row_id, row in frame_of(make).iterrows():
        assert row["short_recipe"] == f"frozen + 2 changes (row {row_id[:6]})"
        assert row["label"] == f"cnn {row['short_recipe']}"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("first_hour", "first_hour"),
        ("default, epochs=3", "default, epochs=3"),
        ("default, epochs=3, dropout=0", "default + 2 changes"),
        (f"default, key={'x' * 40}", "default + 1 change"),
        ("default, weights=a, b, tta=flip", "default + 2 changes"),
        ("vote of " + "net + " * 20, "vote of net + net + net + net + net + n…"),
    ],
)
def test_recipes_have_short_names(name, short):
    assert shorten_recipe(name) == short


def test_rows_with_many_differences_are_identified_by_their_id(make):
    make()
    make(recipe=dict.fromkeys(("augmentation", "optimizer", "schedule"), "a long value"))
    assert frame_of(make)["variant"].str.fullmatch(r"row \w{6}").all()


def test_folds_of_a_seed_are_pooled_before_scoring(make):
    make(fold=0, test=exact([0, 0], [0, 0]), seconds=50)
    make(fold=1, test=exact([1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 2]), seconds=70)
    row = frame_of(make).iloc[0]
    assert row["accuracy"] == 3 / 8
    assert (row["seeds"], row["folds"], row["test_images"], row["training_seconds"]) == (1, 2, 8, 120)
    assert "2 folds pooled" in row["badges"]


def test_the_mean_of_folds_is_in_a_column_of_its_own(make):
    for seed, right in enumerate(([0, 0], [0, 1])):
        make(fold=0, seed=seed, test=exact([0, 0], right))
        make(fold=1, seed=seed, test=exact([1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 2]))
    row = frame_of(make).iloc[0]
    # Fold 0: 1 and 1/2, mean 3/4; fold 1: 1/6 twice.
    assert row["fold_accuracy"] == pytest.approx((3 / 4 + 1 / 6) / 2)
    assert row["fold_accuracy_sd"] == pytest.approx((3 / 4 - 1 / 6) / math.sqrt(2))
    assert row["accuracy"] == pytest.approx((3 / 8 + 2 / 8) / 2)


def test_one_fold_has_no_columns_of_folds(make):
    make()
    assert not [column for column in frame_of(make) if column.startswith("fold_")]


def test_the_time_to_60_per_cent_ends_with_the_epoch_that_reached_it(make):
    reached = next(e.epoch for e in history(40, seed=0) if e.validation_accuracy >= 0.6)
    make(seed=0, epochs=40)
    assert frame_of(make).iloc[0]["seconds_to_60"] == pytest.approx(3.5 * reached)


def test_the_time_to_a_target_is_the_median_in_which_a_miss_is_infinite(make):
    targets = (0.01, 0.6)
    for seed, epochs in enumerate((40, 40, 1)):
        make(seed=seed, epochs=epochs)
    (row,) = compute_leaderboard(load(make.results), targets=targets).frame.to_dict("records")
    assert math.isfinite(row["seconds_to_60"]) and row["reached_60"] == "2 of 3"
    assert (row["seconds_to_1"], row["reached_1"]) == (pytest.approx(3.5), "3 of 3")
    make(seed=3, epochs=1)
    assert frame_of(make).iloc[0][["seconds_to_60", "reached_60"]].tolist() == [math.inf, "2 of 4"]


def test_costs_are_means_over_trials(make):
    make()
    (stored,) = load(make.results)
    costs = stored.record.costs.model_copy(update={"flops": 2_000_000, "latency_p50_seconds": 0.01})
    record = stored.record.model_copy(update={"costs": costs})
    row = compute_leaderboard([StoredRecord(record, stored.path)]).frame.iloc[0]
    assert (row["flops"], row["latency_p50_seconds"], row["predict_images_per_second"]) == (2_000_000, 0.01, 4000)
    assert math.isnan(row["model_bytes"]) and row["peak_memory_bytes"] == 2**30


def test_badges_of_external_models_have_only_known_facts(make):
    make(recipe={"external": {"input_size": 64}}, recipe_name="external", weights="unknown")
    assert frame_of(make).iloc[0]["badges"] == "official · external · 1 test view · tensorflow"


def test_missing_folds_are_a_badge(make):
    make(fold=0, seed=0)
    make(fold=1, seed=0)
    make(fold=0, seed=1)
    assert "folds missing" in frame_of(make).iloc[0]["badges"]


def test_badges(make):
    make(dataset="synthetic", weights="imagenet:0123", recipe={"tta": "ten-crop"}, seed=0)
    make(dataset="synthetic", weights="imagenet:0123", recipe={"tta": "ten-crop"}, seed=1)
    assert frame_of(make).iloc[0]["badges"].split(" · ") == [
        "synthetic",
        "official",
        "imagenet weights",
        "10 test views (ten-crop)",
        "2 seeds",
        "selected on validation",
        "float32",
        "tensorflow",
    ]


def test_a_changed_dataset_is_another_section(make):
    make("a")
    make("b", fingerprint="e" * 64)
    assert frame_of(make)["rank"].tolist() == [1, 1]


def test_benchmark_versions_never_share_a_table(make):
    make(seed=0)
    make(seed=1, benchmark_version=2)
    frame = frame_of(make)
    assert frame["seeds"].tolist() == [1, 1] and frame["rank"].tolist() == [1, 1]
    headings, stems, _ = zip(*sections(frame), strict=True)
    assert headings == (
        "fer2013, protocol official (benchmark version 1)",
        "fer2013, protocol official (benchmark version 2)",
    )
    assert stems == ("fer2013-official-1", "fer2013-official-2")
    assert to_markdown(leaderboard_of(make)).startswith("# Leaderboard\n\nBenchmark versions 1, 2.\n")


def test_predictions_that_cannot_be_read_or_scored_are_skipped_by_name(make):
    make("good")
    truncated, missing, bad, short = make("truncated"), make("missing"), make("bad"), make("short")
    (truncated / "predictions.npz").write_bytes(b"PK\x03\x04")
    np.savez(missing / "predictions.npz", other=np.zeros(1))
    arrays = dict(np.load(bad / "predictions.npz"))
    np.savez(bad / "predictions.npz", **arrays | {"test_probabilities": arrays["test_probabilities"] * np.nan})
    np.savez(short / "predictions.npz", **arrays | {"test_labels": arrays["test_labels"][:5]})
    result = compute_leaderboard(load(make.results))
    assert result.frame["model"].tolist() == ["good"]
    reasons = dict(result.skipped)
    assert set(reasons) == {truncated, missing, bad, short}
    assert "no test predictions" in reasons[missing]
    assert "not finite" in reasons[bad]
    assert "do not match" in reasons[short]


def test_the_identity_of_a_row_does_not_depend_on_the_others(make):
    make(seed=3)
    before = frame_of(make).index[0]
    make(seed=1)
    make("other")
    assert before in frame_of(make).index


def test_machine_names_everything_a_time_depends_on(make):
    make(machine=MACHINE | {"accelerator": "Example GPU"})
    assert frame_of(make).iloc[0]["machine"] == (
        "Example CPU, 2 cores, 8.0 GiB memory, Example GPU; keras 3.15.0, tensorflow 2.21.0"
    )


def test_no_records_make_an_empty_table():
    assert compute_leaderboard([]).frame.empty


def with_mask(predictions, no_duplicate):
    return replace(predictions, no_duplicate=np.array(no_duplicate))


def test_images_without_duplicates_have_an_accuracy_of_their_own(make):
    test = exact([0, 1, 2, 0], [0, 1, 2, 1])
    for seed, mask in enumerate(([True, True, False, True], [False, True, False, True])):
        make(seed=seed, test=with_mask(test, mask))
    row = frame_of(make).iloc[0]
    assert row["accuracy"] == 0.75
    assert row["dedup_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert row["dedup_accuracy_sd"] == pytest.approx((2 / 3 - 1 / 2) / math.sqrt(2))
    assert row["dedup_test_images"] == 3


@pytest.mark.parametrize("mask", [[True] * 4, None])
def test_there_is_no_dedup_column_without_duplicates(make, mask):
    test = exact([0, 1, 2, 0], [0, 1, 2, 1])
    make(test=with_mask(test, mask) if mask else test)
    assert not [column for column in frame_of(make) if "dedup" in column]


def test_an_invalid_mask_is_skipped_by_name(make):
    make("good")
    make(test=with_mask(exact([0, 1], [0, 1]), [True]))
    found = compute_leaderboard(load(make.results))
    assert [row.trial.architecture for row in found.rows.values()] == ["good"]
    assert "no_duplicate" in found.skipped[0][1]


def test_split_notes_are_badges_and_in_the_heading(make):
    note = "leaky: same subjects in training and test"
    for fold in range(2):
        make(dataset="ckplus", protocol="image-kfold", fold=fold, split_notes=(note,))
    make(dataset="ckplus", protocol="subject-kfold")
    frame = frame_of(make)
    assert [heading for heading, _, _ in sections(frame)] == [
        f"ckplus, protocol image-kfold ({note})",
        "ckplus, protocol subject-kfold",
    ]
    assert f"image-kfold · {note} · random weights" in frame.iloc[0]["badges"]
    assert frame["split_notes"].tolist() == [note, ""]


def test_notes_on_an_external_model_are_badges(make):
    external = {"external": {"labels": []}}
    make(recipe=external, seed=0, model_notes=("configuration upgraded", "read at 64 pixels"))
    make(recipe=external, seed=1, model_notes=("configuration upgraded",))
    (badges,) = frame_of(make)["badges"]
    assert "external · configuration upgraded · read at 64 pixels · 1 test view" in badges
