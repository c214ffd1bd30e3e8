"""Sharing results: records in one file, and checks of such a file."""
