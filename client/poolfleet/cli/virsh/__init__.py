"""virsh's storage commands, each with the same options, as verbs of poolfleet."""
