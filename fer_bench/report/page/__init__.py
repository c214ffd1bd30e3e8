"""The leaderboard as a self-contained HTML page, whose script draws tables, charts and details."""
