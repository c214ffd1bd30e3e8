"""Expressions in images, folders, videos and before a camera."""
