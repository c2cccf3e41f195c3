"""The group `storage`: its verbs, and how storages are shown."""
