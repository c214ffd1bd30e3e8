"""fer-bench: a leaderboard for facial expression recognition that can be rerun."""

__version__ = "0.1.0"
