"""The registry's entries: one file per family."""
