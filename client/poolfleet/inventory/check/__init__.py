"""Whether hosts that share storages have them alike."""
