"""The registry's entries: one file per family, plus layers.py for shared blocks."""
