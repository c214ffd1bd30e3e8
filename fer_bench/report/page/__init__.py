"""The leaderboard as one HTML page that needs nothing beside it: its own script draws tables, charts and details."""
