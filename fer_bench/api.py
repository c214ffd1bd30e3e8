"""The small functions of the public API: what is registered, one dataset and its audit, checks of an architecture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DATASETS, DataConfig
from fer_bench.registry.architectures import ARCHITECTURES

if TYPE_CHECKING:
    import pandas as pd

    from fer_bench.datasets.dataset import Dataset
    from fer_bench.protocols.audit.findings import Findings


def list_architectures(pattern: str = "all") -> list[str]:
    """Return the names of the registered architectures that match a name or a pattern.

    Examples:
        >>> fer_bench.list_architectures("vgg*")
        ['vgg10', 'vgg16', 'vgg19', 'vgg_fer']
    """
    return ARCHITECTURES.match(pattern)


def list_datasets() -> list[str]:
    """Return the names of the datasets that fer-bench can read.

    Examples:
        >>> fer_bench.list_datasets()
        ['ckplus', 'ckplus_sequences', 'fer2013', 'ferplus', 'folder', 'jaffe', ...]
    """
    return DATASETS.names()


def load_dataset(
    name: str, data_dir: str | Path = "data", skip_invalid: bool = False, accept_classes: bool = False
) -> Dataset:
    """Load a dataset, from the cache if that is current.

    Args:
        name: Name of a dataset; "jaffe~haar+align" finds, aligns and crops faces, "fer2013->jaffe" joins two datasets
            in the classes that both have.
        data_dir: Folder of the datasets, or the folder of this dataset.
        skip_invalid: Skip rows and images that cannot be read, instead of raising an error.
        accept_classes: Read folders as classes even if they look like persons or splits.

    Returns:
        Images (samples, height, width) uint8, labels (samples,) int64, ids, classes, subjects and the official split.

    Raises:
        UserError: The name is unknown, or the files are missing or malformed.

    Examples:
        >>> dataset = fer_bench.load_dataset("fer2013", data_dir="/datasets")
        >>> dataset.images.shape, dataset.classes[0]
        ((35887, 48, 48), 'angry')
    """
    from fer_bench.protocols.cross_dataset import load

    return load(name, DataConfig(Path(data_dir), skip_invalid=skip_invalid, accept_classes=accept_classes))


def audit_dataset(
    name: str,
    protocol: str = "official",
    data_dir: str | Path = "data",
    skip_invalid: bool = False,
    accept_classes: bool = False,
) -> Findings:
    """Search for duplicates, changed copies and conflicting labels, as the command `data audit` does. Writes nothing.

    Args:
        name: Name of a dataset, as in `load_dataset`.
        protocol: The protocol whose splits are compared.
        data_dir: Folder of the datasets, or the folder of this dataset.
        skip_invalid: Skip rows and images that cannot be read, instead of raising an error.
        accept_classes: Read folders as classes even if they look like persons or splits.

    Returns:
        `duplicates`, `near_duplicates`, `num_conflicting`, `num_tested` and more; indices are into the dataset.

    Raises:
        UserError: The name or the protocol is unknown, they do not fit, or the files are missing or malformed.

    Examples:
        >>> found = fer_bench.audit_dataset("fer2013", data_dir="/datasets")
        >>> found.total("test_duplicates"), found.num_tested
        (314, 3589)
    """
    from fer_bench.protocols.audit.findings import audit
    from fer_bench.protocols.cross_dataset import load_folds

    config = DataConfig(Path(data_dir), skip_invalid=skip_invalid, accept_classes=accept_classes)
    dataset, folds, title = load_folds(name, protocol, config)
    return audit(dataset, title, folds)


def check_architecture(
    name: str, extra_architectures: Sequence[str | Path] = (), backend: str | None = None
) -> pd.DataFrame:
    """Check an architecture against the contract of the registry in a new process, as the command `check` does.

    Args:
        name: Name of the architecture.
        extra_architectures: Files or folders with more architectures.
        backend: Keras backend; default: KERAS_BACKEND, or else TensorFlow.

    Returns:
        One row per check: `check`, `passed`, and `problem`, which says what is wrong and what to do.

    Raises:
        UserError: The name is unknown, or a file of architectures is invalid.

    Examples:
        >>> fer_bench.check_architecture("my_net", ["my_net.py"])
    """
    import pandas as pd

    from fer_bench.contract.run import run_checks_on_backend
    from fer_bench.core.backend import choose_backend

    paths = [Path(path).resolve() for path in extra_architectures]
    for path in paths:
        ARCHITECTURES.scan(path)
    name = ARCHITECTURES.get(name).name
    results = run_checks_on_backend(choose_backend(backend), [name], paths)
    rows = [(result.check, not (result.problem or result.skipped), result.problem or "") for result in results]
    return pd.DataFrame(rows, columns=["check", "passed", "problem"])
