"""The group `volume`: its verbs, and how volumes and what guests refer to are shown."""
