"""Ensembles of records: members, selection and weights, and the resulting row."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_records import exact, leaderboard_of, made_up

from fer_bench.core.errors import UserError
from fer_bench.evaluation.ensembles import greedy_selection, soft_vote, validation_weights
from fer_bench.leaderboard import ensemble
from fer_bench.leaderboard.ensemble_members import select_candidates
from fer_bench.records import load, write


@pytest.fixture
def vote(make):
    """Return a function that makes an ensemble of the folder's rows."""

    def run(*members, dataset=None, protocol=None, **method):
        chosen = select_candidates(make.results, members, dataset, protocol)
        return ensemble.create_ensembles(make.results, chosen, ensemble.VotingMethod(**method))

    return run


def stored_of(make, key):
    return load(make.results).stored[key]


def rows_of(make):
    return leaderboard_of(make).frame.set_index("model")


def shares(one):
    return {(m.architecture, m.seed): round(m.weight, 6) for m in one.record.members}


def test_a_vote_is_a_row_with_its_members_named(make, vote):
    make("cnn", accuracy=0.6, parameters=100)
    make("vgg16", accuracy=0.7, parameters=20, weights="imagenet:abc")
    (made,) = vote("cnn", "vgg16")
    assert shares(made) == {("cnn", 0): 0.5, ("vgg16", 0): 0.5}
    frame = rows_of(make)
    row = frame.loc["ensemble"]
    assert row["parameters"] == 120 and row["recipe"] == "vote of cnn + vgg16"
    assert row["badges"] == (
        "official · ensemble of 2 · imagenet + random weights · 1 test view · 1 seed · selected on validation · "
        "float32 · tensorflow"
    )
    by_model = {s.record.trial.architecture: s for s in load(make.results)}
    for split in ("validation", "test"):
        both = [by_model[name].predictions(split) for name in ("cnn", "vgg16")]
        voted = by_model["ensemble"].predictions(split)
        np.testing.assert_allclose(voted.probabilities, soft_vote([p.probabilities for p in both]), atol=1e-7)
        np.testing.assert_array_equal(voted.ids, both[0].ids)
        assert voted.probabilities.dtype == np.float32
    voted = by_model["ensemble"].predictions("test")
    assert row["accuracy"] == (voted.probabilities.argmax(axis=1) == voted.labels).mean()
    assert made.record.costs is None and {m.key for m in made.record.members} == {
        by_model[name].record.trial.key for name in ("cnn", "vgg16")
    }


def test_weights_and_selection_use_the_validation_split(make, vote):
    for name, seed, accuracy in (("a", 1, 0.4), ("b", 2, 0.6), ("c", 3, 0.65)):
        make(name, validation=made_up(200, accuracy, seed), test=made_up(300, 0.5, seed + 50))
    members = [
        s.predictions("validation") for s in sorted(load(make.results), key=lambda s: s.record.trial.architecture)
    ]
    probabilities = np.array([p.probabilities for p in members])
    (weighted,) = vote(weighted=True)
    expected = validation_weights(members[0].labels, probabilities)
    assert [m.weight for m in weighted.record.members] == pytest.approx(expected.tolist(), abs=1e-6)
    (chosen,) = vote(size=4)
    picks = greedy_selection(members[0].labels, probabilities, 4)
    expected = {("abc"[i], 0): picks.count(i) / 4 for i in set(picks)}
    assert shares(chosen) == expected and chosen.best_member_accuracy <= chosen.validation_accuracy
    (both,) = vote(size=4, weighted=True)
    assert {m.architecture for m in both.record.members} == {m.architecture for m in chosen.record.members}


def test_test_predictions_do_not_affect_the_choice(make, vote):
    kinds = ({"size": 3}, {"weighted": True}, {"size": 3, "weighted": True})

    def fill(test):
        for name, seed, accuracy in (("a", 1, 0.5), ("b", 2, 0.6), ("c", 3, 0.65)):
            make(name, validation=made_up(200, accuracy, seed), test=test(name))
        return [[m.model_dump() for m in made.record.members] for kind in kinds for made in vote(**kind)]

    noise = fill(lambda name: made_up(300, 0.2, ord(name)))
    # A member that is perfect on test is not preferred.
    perfect = fill(lambda name: made_up(300, 1.0 if name == "a" else 0.1, ord(name)))
    assert noise == perfect


def test_each_seed_that_all_members_have_is_an_ensemble_of_one_row(make, vote):
    for seed in range(3):
        make("cnn", seed)
        make("vgg16", seed, accuracy=0.7)
    make("cnn", 3)
    made = vote("cnn", "vgg16", size=2)
    assert [one.record.trial.seed for one in made] == [0, 1, 2]
    assert all(m.seed == one.record.trial.seed for one in made for m in one.record.members)
    assert rows_of(make).loc["ensemble"]["seeds"] == 3
    assert select_candidates(make.results, ["cnn", "vgg16"]).incomplete_seed_folds(False) == [(3, 0)]


def test_a_vote_across_seeds_has_a_badge_with_its_seeds(make, vote):
    for seed in range(3):
        make("cnn", seed=seed)
    vote("cnn", across_seeds=True)
    badges = rows_of(make).loc["ensemble"]["badges"].split(" · ")
    assert "ensemble of 3" in badges and "members of 3 seeds" in badges and "1 seed" not in badges


def test_all_seeds_vote_together_across_seeds(make, vote):
    for seed in range(3):
        make("cnn", seed)
    make("vgg16", 7)
    (made,) = vote("cnn", across_seeds=True)
    assert shares(made) == {("cnn", seed): round(1 / 3, 6) for seed in range(3)}
    assert made.record.trial.seed == 0 and made.record.num_parameters == 3 * 1_330_000
    make("vgg16", 0)
    (made,) = vote("*", across_seeds=True)
    assert set(shares(made)) == {("cnn", 0), ("cnn", 1), ("cnn", 2), ("vgg16", 0), ("vgg16", 7)}


def test_each_fold_has_a_selection_of_its_own_and_folds_are_pooled(make, vote):
    def fold(number, right):
        labels, ids = [0, 1, 2] * 20, np.array([f"f{number}-{i}" for i in range(60)])
        part = exact(labels, labels if right else [1, 2, 0] * 20)
        return replace(part, ids=ids)

    for number in range(2):
        for name in ("a", "b"):  # each is right in one fold
            one = fold(number, right=(name == "ab"[number]))
            make(name, fold=number, protocol="kfold", validation=one, test=one)
    made = vote(size=1)
    assert [(one.record.trial.fold, one.record.members[0].architecture) for one in made] == [(0, "a"), (1, "b")]
    row = rows_of(make).loc["ensemble"]
    assert (row["folds"], row["accuracy"], row["recipe"]) == (2, 1.0, "greedy 1: a 50 % + b 50 %")
    assert "2 folds pooled" in row["badges"] and "ensemble of 1" in row["badges"]


def test_the_order_of_names_and_samples_makes_no_difference(make, vote):
    make("cnn")
    path = make("vgg16", accuracy=0.7)
    (one,) = vote("cnn,vgg16")
    first = stored_of(make, one.record.trial.key).predictions("test")
    (stored,) = [s for s in load(make.results) if s.path == path]
    reversed_ = {}
    for split in ("validation", "test"):
        p = stored.predictions(split)
        reversed_[split] = replace(p, ids=p.ids[::-1], labels=p.labels[::-1], probabilities=p.probabilities[::-1])
    write(make.results, stored.record, reversed_)
    (other,) = vote("vgg16", "cnn")
    assert other.path == one.path
    second = stored_of(make, other.record.trial.key).predictions("test")
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_the_key_depends_on_members_and_method(make, vote):
    for name in ("a", "b", "c"):
        make(name, accuracy=0.6)
    methods = ({}, {"weighted": True}, {"size": 2}, {"size": 3}, {"size": 3, "weighted": True}, {"across_seeds": True})
    keys = [vote("a", "b", **method)[0].record.trial.key for method in methods]
    keys += [vote("a", "c")[0].record.trial.key]
    assert len(set(keys)) == len(keys)
    assert vote("b", "a")[0].record.trial.key == keys[0]
    make("a", accuracy=0.6, source="1" * 64)  # another row of the same name
    row = next(i for i, r in leaderboard_of(make).rows.items() if r.trial.source_digest == "1" * 64)
    assert vote(row, "b")[0].record.trial.key not in keys


def test_ensembles_vote_again_only_if_they_are_named(make, vote):
    make("cnn")
    make("vgg16")
    vote("cnn", "vgg16")
    (again,) = vote("*", size=2)
    assert {m.architecture for m in again.record.members} <= {"cnn", "vgg16"}
    (again,) = vote("ensemble vote of cnn + vgg16", "cnn")
    assert {m.architecture for m in again.record.members} == {"ensemble", "cnn"}


def test_an_ensemble_with_an_external_model_has_its_badge(make, vote):
    make("cnn")
    make("theirs", recipe={"external": {}}, recipe_name="external", weights="unknown")
    vote()
    assert rows_of(make).loc["ensemble"]["badges"] == "official · ensemble of 2 · external · 1 test view · tensorflow"


def test_members_without_validation_can_vote_without_weights(make, vote):
    for name in ("a", "b"):
        path = make(name)
        (stored,) = [s for s in load(make.results) if s.path == path]
        write(make.results, stored.record, {"test": stored.predictions("test")})
    (made,) = vote()
    assert made.validation_accuracy is None
    with pytest.raises(UserError, match="validation"):
        vote(weighted=True)


def test_a_vote_is_of_the_benchmark_version_of_its_members(make, vote):
    for name in ("cnn", "vgg16"):
        make(name, benchmark_version=2)
    (made,) = vote()
    assert made.record.benchmark_version == 2


SAME = made_up(300, 0.6, 0)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"validation": SAME, "test": replace(SAME, ids=np.array([f"j{i}" for i in range(300)]))}, "test samples"),
        ({"validation": replace(SAME, labels=(SAME.labels + 1) % 7), "test": SAME}, "validation samples"),
        ({"validation": SAME, "test": made_up(200, 0.6, 0)}, "test samples"),
        ({"test": exact([0, 1, 2], [0, 1, 2])}, "classes"),
        ({"fingerprint": "e" * 64}, "fingerprints"),
        ({"benchmark_version": 2}, "benchmark versions"),
        ({"protocol": "kfold"}, "--protocol"),
        ({"seed": 4}, "seed 4"),
        ({"status": "failed", "reason": "no memory"}, "two rows"),
    ],
    ids=["samples", "labels", "fewer samples", "classes", "data", "benchmark", "protocol", "seed", "failed"],
)
def test_members_that_cannot_vote_raise_and_nothing_is_written(make, vote, changes, word):
    make("a")
    make("b", **changes)
    before = len(load(make.results))
    with pytest.raises(UserError, match=word):
        vote()
    assert len(load(make.results)) == before


def test_an_unknown_member_raises(make, vote):
    make("cnn")
    make("vgg16")
    with pytest.raises(UserError, match="vgg99"):
        vote("cnn,vgg99")
    with pytest.raises(UserError, match="jaffe"):
        vote(dataset="jaffe")


def test_dataset_and_protocol_select_rows(make, vote):
    for name in ("a", "b"):
        make(name)
        make(name, protocol="kfold")
    (made,) = vote(protocol="kfold")
    assert made.record.trial.protocol == "kfold"


def test_longer_greedy_selections_fit_validation_better(make, vote):
    for seed, name in enumerate("abcd"):
        make(name, validation=made_up(400, 0.5, seed), test=made_up(100, 0.5, seed))
    votes = [vote(size=size)[0] for size in (1, 12)]
    assert votes[0].validation_accuracy == votes[0].best_member_accuracy  # the best one alone
    assert votes[0].validation_accuracy < votes[1].validation_accuracy
