"""Use cases of volumes."""
