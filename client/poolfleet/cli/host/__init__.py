"""The group `host`: its verbs, and what can be amiss with hosts."""
