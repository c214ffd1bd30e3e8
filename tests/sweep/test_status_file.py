"""What a sweep is doing can be read from another terminal, while it runs and afterwards."""

import json
import os
import time

import pytest

from fer_bench import records
from fer_bench.sweep import status_file as module
from fer_bench.sweep.run import run
from fer_bench.sweep.status_file import FOLDER, Journal, sweeps
from fer_bench.sweep.status_view import lines


@pytest.fixture
def plan(plan_of):
    return plan_of(models=["tiny", "tiny_raising"], seeds=[0, 1], epochs=2)


def told(results, **options):
    (sweep,) = sweeps(results)
    known = {key: stored.record for key, stored in records.load(results).stored.items()}
    return lines(sweep, known, time.time(), **options)


def journal_of(plan, results, watcher, left=lambda: 90.0):
    return Journal(results, "tests", plan.trials, watcher, left)


def test_a_running_sweep_and_what_became_of_it(plan, tmp_path, watcher, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(watcher, "step", lambda *_: seen.append(told(tmp_path)))
    with journal_of(plan, tmp_path, watcher) as journal:
        run(plan.trials, tmp_path, journal)
    first, last = seen[0], seen[-1]
    assert "running" in first[0] and f"process {os.getpid()}" in first[0] and "about 2 min left" in first[0]
    assert first[1] == "  0 of 4 done, 0 failed, 1 running, 3 left"
    assert "tiny on made (official, seed 0)" in first[2]
    assert last[1] == "  1 of 4 done, 1 failed, 1 running, 1 left" and "epoch 1 of 2 done" in last[2]
    after = told(tmp_path)
    assert "ended" in after[0] and after[1] == "  2 of 4 done, 2 failed, 0 running, 0 left"
    assert after[2].endswith("ValueError: no room for this layer \\[/job:localhost]")
    assert len(after) == 4
    assert ("trial ends", "finished") in watcher.events  # what it is told it passes on


@pytest.mark.parametrize(("error", "word"), [(KeyboardInterrupt, "interrupted"), (OSError, "broken off")])
def test_an_end_before_the_end_is_told(plan, tmp_path, watcher, error, word):
    with pytest.raises(error), journal_of(plan, tmp_path, watcher):
        raise error
    assert word in told(tmp_path)[0]


def test_one_that_was_killed_is_not_said_to_run(plan, tmp_path, watcher):
    journal_of(plan, tmp_path, watcher).__enter__()
    (file,) = (f for f in (tmp_path / FOLDER).glob("*.json") if not f.name.endswith(".plan.json"))
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"process": 2**22 - 7}))
    assert "gone without a word" in told(tmp_path)[0]
    file.write_text(json.dumps(state | {"host": "another"}))
    assert "running" in told(tmp_path)[0]
    file.write_text(json.dumps(state | {"host": "another", "written": time.time() - 1000}))
    assert "gone without a word" in told(tmp_path)[0]


def test_what_is_left_is_named(plan_of, tmp_path, watcher):
    with journal_of(plan_of(models=["tiny"], seeds=list(range(9))), tmp_path, watcher):
        some = told(tmp_path)
        assert some[2:] == [
            *(f"  left: tiny on made (official, seed {seed})" for seed in range(5)),
            "  and 4 more; --all names them",
        ]
        assert len(told(tmp_path, everything=True)) == 11


def test_the_same_sweep_again_takes_the_place_of_the_one_before(plan, tmp_path, watcher):
    with journal_of(plan, tmp_path, watcher):
        pass
    with Journal(tmp_path, "another", plan.trials, watcher, lambda: None):
        pass
    with journal_of(plan, tmp_path, watcher):
        assert [sweep.name for sweep in sweeps(tmp_path)] == ["another", "tests"]


def test_foreign_and_broken_files_are_passed_over(tmp_path):
    (tmp_path / FOLDER).mkdir()
    for name, text in (("a.json", "{"), ("b.json", "[]"), ("c.json", '{"name": "c"}'), ("d.txt", "")):
        (tmp_path / FOLDER / name).write_text(text)
    assert sweeps(tmp_path) == []
