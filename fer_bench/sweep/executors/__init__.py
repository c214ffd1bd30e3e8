"""Where trials run: in this process, or in others of this machine, several at a time."""
