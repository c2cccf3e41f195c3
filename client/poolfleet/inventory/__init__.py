"""One view of the storage of many hosts: each storage and each volume once, whoever mounts it, and who uses it."""
