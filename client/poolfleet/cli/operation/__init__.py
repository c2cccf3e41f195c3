"""The group `operation`: its verbs, and how operations are shown."""
