"""Programs that the agent runs as its children, never through a shell."""
