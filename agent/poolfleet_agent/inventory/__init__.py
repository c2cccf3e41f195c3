"""What the agent knows of its host: an immutable, revisioned snapshot, rebuilt off the request's path."""
