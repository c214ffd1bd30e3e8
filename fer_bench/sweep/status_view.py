"""A sweep in a few lines."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.markup import escape

from fer_bench.records.schema import Record
from fer_bench.sweep.progress import duration
from fer_bench.sweep.status_file import Sweep

NEXT = 5  # trials that are named, of those that are left


def lines(sweep: Sweep, known: Mapping[str, Record], now: float, everything: bool = False) -> list[str]:
    """What there is to say of a sweep, in rich's markup, given the records of its folder."""
    recorded = [known[key] for key in sweep.trials if key in known]
    failed = [record for record in recorded if record.status != "finished"]
    left = [key for key in sweep.trials if key not in known and key not in sweep.running]
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(sweep.started))
    where = f"on {sweep.host}, process {sweep.process}, since {began}"
    if sweep.alive:
        about = "" if sweep.seconds_left is None else f", about {duration(sweep.seconds_left)} left"
        state = f"[green]running[/] {where}{about}"
    else:
        ago = duration(max(0.0, now - sweep.written))
        state = f"{sweep.ended or '[red]gone without a word[/]'} {where}; last heard of {ago} ago"
    told = [
        f"[bold]{escape(sweep.name)}[/]: {state}",
        f"  {len(recorded) - len(failed)} of {len(sweep.trials)} done, {len(failed)} failed, "
        f"{len(sweep.running) if sweep.alive else 0} running, {len(left)} left",
    ]
    if sweep.alive:
        told += [f"  {escape(sweep.trials.get(key, key))}: {escape(doing)}" for key, doing in sweep.running.items()]
    told += [
        f"  [red]{record.status}[/] {escape(str(record.trial))}: {escape(record.reason.splitlines()[0])}"
        for record in failed
        if record.reason
    ]
    named = left if everything else left[:NEXT]
    told += [f"  left: {escape(sweep.trials[key])}" for key in named]
    if len(left) > len(named):
        told.append(f"  and {len(left) - len(named)} more; --all names them")
    return told
