"""The group `pool`: its verbs, their options, and how pools are shown."""
