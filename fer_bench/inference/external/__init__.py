"""Score models that somebody else trained."""
