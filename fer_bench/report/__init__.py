"""Leaderboards and figures, computed from records alone: neither Keras nor a backend is imported here."""
