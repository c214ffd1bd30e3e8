"""The folder of records: written atomically, read back with every foreign or broken file named."""

from fer_bench.records.store import Records, StoredRecord, load, started
from fer_bench.records.writing import write

__all__ = ["Records", "StoredRecord", "load", "started", "write"]
