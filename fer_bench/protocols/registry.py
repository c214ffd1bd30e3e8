"""The registry of protocols: functions that take a dataset and a seed and yield folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.core.errors import UserError
from fer_bench.registry.registry import Registry

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset
    from fer_bench.protocols.fold import Fold

# Splits belong to the protocol: every seed of a sweep uses the same ones.
SPLIT_SEED = 0

CROSS_PREFIX = "cross:"
ARROW = "->"
FILE_PREFIX = "file:"

PROTOCOLS = Registry("protocol")
register_protocol = PROTOCOLS.register
PROTOCOLS.add_lazy_loader(partial(PROTOCOLS.scan, Path(__file__).parent, package="fer_bench.protocols"))


@dataclass(frozen=True)
class DataProtocol:
    """A dataset under a protocol; `data` is the dataset's name, or TRAIN->TEST for two of them."""

    data: str
    protocol: str


def folds(name: str, dataset: Dataset, seed: int) -> list[Fold]:
    """Return the folds of a dataset under a protocol, or those of a split file for `file:PATH`.

    Their notes say which classes a split lacks, and whether subjects are in training and test.

    Raises:
        ProtocolNotApplicable: The protocol does not apply to the dataset.
        UserError: The protocol is unknown, or the split file cannot be read.
    """
    from fer_bench.protocols.fold import ProtocolNotApplicable
    from fer_bench.protocols.fold_notes import with_notes

    if name.startswith(FILE_PREFIX):
        from fer_bench.protocols import split_file

        return with_notes(dataset, split_file.read(Path(name.removeprefix(FILE_PREFIX)), dataset))
    if ARROW in dataset.name and _entry_name(name) != "cross":
        raise ProtocolNotApplicable(f"'{dataset.name}' requires the protocol cross, not {name}.")
    return with_notes(dataset, list(PROTOCOLS.function(_entry_name(name))(dataset, seed)))


def title(name: str) -> str:
    """Return a protocol's name in trials and tables: name, name@2 from version 2 on, or file:PROTOCOL@digest."""
    if name.startswith(FILE_PREFIX):
        from fer_bench.protocols import split_file

        return split_file.title(Path(name.removeprefix(FILE_PREFIX)))
    entry = PROTOCOLS.get(_entry_name(name))
    version = entry.options.get("version", 1)
    return entry.name if version == 1 else f"{entry.name}@{version}"


def expand_protocols(datasets: Sequence[str], protocols: Sequence[str]) -> list[DataProtocol]:
    """Return each dataset under each protocol, without repetitions; `cross:TRAIN->TEST` names its own datasets.

    Unknown names of datasets are not reported.

    Raises:
        UserError: A protocol is unknown, `cross:` does not name two datasets, a split file is missing, or there is
            nothing to expand.
    """
    protocols = [spell_protocol(name) for name in protocols]
    single = [name for name in protocols if not name.startswith(CROSS_PREFIX)]
    for name in single:
        if name.startswith(FILE_PREFIX):
            path = Path(name.removeprefix(FILE_PREFIX))
            if not path.is_file():
                raise UserError(
                    f"The split file {path} does not exist. `data split NAME --protocol P --output FILE` writes one."
                )
        else:
            _entry_name(name)
    crossed = [parse_cross(name.removeprefix(CROSS_PREFIX)) for name in protocols if name.startswith(CROSS_PREFIX)]
    found = [DataProtocol(data, protocol) for data in datasets for protocol in single]
    found += [DataProtocol(ARROW.join(pair), "cross") for pair in crossed]
    if not found:
        raise UserError("Name a dataset for the protocols, or two datasets as in 'cross:fer2013->jaffe'.")
    return list(dict.fromkeys(found))


def spell_protocol(name: str) -> str:
    """Return a protocol's name as it is registered, with the names of datasets in `cross:`; else unchanged."""
    from fer_bench.datasets.face_crop.spec import spelling  # pydantic: too slow for `list`

    if name.startswith(FILE_PREFIX):
        return name
    if name.startswith(CROSS_PREFIX):
        if ARROW not in name:
            return name
        return CROSS_PREFIX + ARROW.join(spelling(data) for data in name.removeprefix(CROSS_PREFIX).split(ARROW))
    name, at, version = name.partition("@")
    return f"{PROTOCOLS.spelling(name)}{at}{version}"


def parse_cross(data: str) -> tuple[str, str]:
    """Return the two datasets of TRAIN->TEST. Raises UserError if they are not two different ones."""
    train, arrow, test = (part.strip() for part in data.partition(ARROW))
    if arrow and train and test and train != test and ARROW not in test:
        return train, test
    hint = " in quotes, because > is special in the shell" if data.endswith("-") else ""
    raise UserError(f"'{CROSS_PREFIX}{data}' does not name two datasets. Write it as 'cross:fer2013->jaffe'{hint}.")


def source_datasets(data: str) -> tuple[str, ...]:
    """Return the names of the datasets in `data`: one, or the two of TRAIN->TEST."""
    return parse_cross(data) if ARROW in data else (data,)


def _entry_name(name: str) -> str:
    """Return the registered name of `name` or `name@version`. Raises UserError for another version."""
    name, at, version = name.partition("@")
    entry = PROTOCOLS.get(name)
    name, current = entry.name, entry.options.get("version", 1)
    if at and version != str(current):
        raise UserError(f"The protocol '{name}' is at version {current}; '{name}@{version}' does not exist.")
    return name
