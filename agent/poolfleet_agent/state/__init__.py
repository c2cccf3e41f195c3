"""The state directory: what survives the agent's end, in one SQLite file."""
