"""What each request about secrets does."""
