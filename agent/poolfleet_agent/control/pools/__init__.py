"""Use cases of pools."""
