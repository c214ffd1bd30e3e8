"""Another terminal can read what a sweep is doing, while it runs and afterwards."""

import json
import os
import socket
import time

import pytest

from fer_bench import records
from fer_bench.sweep import status_file
from fer_bench.sweep.run import run
from fer_bench.sweep.status_file import FOLDER, SILENT_SECONDS, SweepStatusWriter, read_sweeps, status_lines
from fer_bench.training.callback import Callback

NO_PROCESS = 2**22 - 7  # a process number that no system has given
OTHER_MACHINE = "another-machine pid:[4026531836]"
OTHER_CONTAINER = f"{socket.gethostname()} pid:[1]"


@pytest.fixture
def plan(plan_of):
    return plan_of(models=["tiny", "tiny_raising"], seeds=[0, 1], epochs=2)


def lines(results, **options):
    """Return the lines of the only sweep."""
    (sweep,) = read_sweeps(results)
    known = {key: stored.record for key, stored in records.load(results).stored.items()}
    return status_lines(sweep, known, time.time(), **options)


def writer_of(plan, results, name="tests", seconds_left=lambda: 90.0):
    return SweepStatusWriter(results, name, plan.trials, seconds_left)


def edit_status(results, **changes):
    """Change fields of the only status file."""
    (file,) = (file for file in (results / FOLDER).glob("*.json") if not file.name.endswith(".plan.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_sweep_is_described_while_it_runs_and_afterwards(plan, tmp_path, monkeypatch, instant_executor):
    class Reader(Callback):
        def on_step_end(self, planned, step, steps, loss):
            seen.append(lines(tmp_path))

    seen = []
    monkeypatch.setattr(status_file, "UPDATE_SECONDS", 0.0)
    run(plan.trials, tmp_path, [writer_of(plan, tmp_path), Reader()], executor=instant_executor)
    first, last = seen[0], seen[-1]
    assert "running" in first[0] and f"process {os.getpid()}" in first[0] and "about 2 min left" in first[0]
    assert first[1] == "  0 of 4 done, 0 failed, 1 running, 3 left"
    assert "tiny on made (official, seed 0)" in first[2]
    assert last[1] == "  1 of 4 done, 1 failed, 1 running, 1 left" and "epoch 2, step 1 of 1" in last[2]
    after = lines(tmp_path)
    assert "ended" in after[0] and after[1] == "  2 of 4 done, 2 failed, 0 running, 0 left"
    assert after[2].endswith("ValueError: no room for this layer \\[/job:localhost]")
    assert len(after) == 4


@pytest.mark.parametrize(
    ("stop_reason", "word"),
    [
        ("completed", "ended"),
        ("budget_exhausted", "ended"),
        ("interrupted", "interrupted"),
        ("error", "stopped by an error"),
    ],
)
def test_the_reason_of_the_end_is_named(plan, tmp_path, stop_reason, word):
    writer = writer_of(plan, tmp_path)
    writer.on_sweep_begin(plan.trials)
    assert "running" in lines(tmp_path)[0]
    writer.on_sweep_end(stop_reason)
    assert word in lines(tmp_path)[0] and "running" not in lines(tmp_path)[0]


def test_a_killed_sweep_of_this_machine_does_not_count_as_running(plan, tmp_path):
    writer_of(plan, tmp_path).on_sweep_begin(plan.trials)
    assert "running" in lines(tmp_path)[0]
    edit_status(tmp_path, process=NO_PROCESS)
    assert "stopped without reporting" in lines(tmp_path)[0]


@pytest.mark.parametrize("host", [OTHER_MACHINE, OTHER_CONTAINER], ids=["machine", "container"])
@pytest.mark.parametrize("process", [NO_PROCESS, os.getpid()], ids=["unknown process", "known process"])
def test_a_sweep_of_another_machine_or_container_is_judged_by_its_age(plan, tmp_path, host, process):
    writer_of(plan, tmp_path).on_sweep_begin(plan.trials)
    edit_status(tmp_path, host=host, process=process)
    assert "running" in lines(tmp_path)[0] and f"on {host.split()[0]}," in lines(tmp_path)[0]
    edit_status(tmp_path, written=time.time() - SILENT_SECONDS - 60)
    assert "stopped without reporting" in lines(tmp_path)[0]


def test_pending_trials_are_listed(plan_of, tmp_path):
    plan = plan_of(models=["tiny"], seeds=list(range(9)))
    writer_of(plan, tmp_path).on_sweep_begin(plan.trials)
    assert lines(tmp_path)[2:] == [
        *(f"  left: tiny on made (official, seed {seed})" for seed in range(5)),
        "  and 4 more; --all lists them",
    ]
    assert len(lines(tmp_path, show_all=True)) == 11


def test_a_sweep_replaces_an_ended_one_of_the_same_name(plan, tmp_path):
    for name in ("tests", "another", "tests"):
        writer = writer_of(plan, tmp_path, name)
        writer.on_sweep_begin(plan.trials)
        writer.on_sweep_end("completed")
    assert [sweep.name for sweep in read_sweeps(tmp_path)] == ["another", "tests"]


def test_unreadable_files_are_skipped(tmp_path):
    (tmp_path / FOLDER).mkdir()
    for name, text in (("a.json", "{"), ("b.json", "[]"), ("c.json", '{"name": "c"}'), ("d.txt", "")):
        (tmp_path / FOLDER / name).write_text(text)
    assert read_sweeps(tmp_path) == []
