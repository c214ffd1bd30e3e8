"""Trackers to which trials are logged as they run."""
