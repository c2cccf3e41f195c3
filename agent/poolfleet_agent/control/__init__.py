"""What each request does, in order: one file a use case."""
