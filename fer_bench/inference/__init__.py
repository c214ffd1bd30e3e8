"""Models at work after their training, ours and those of others."""
