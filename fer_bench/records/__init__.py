"""The folder of records: written atomically; what cannot be read is skipped and named."""

from fer_bench.records.store import Records, StoredRecord, load, start_time
from fer_bench.records.writing import write

__all__ = ["Records", "StoredRecord", "load", "start_time", "write"]
