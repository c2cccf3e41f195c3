"""The group `secret`: its verbs, the words that name secrets, and how a value is taken in."""
