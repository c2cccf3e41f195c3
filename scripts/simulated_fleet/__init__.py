"""A fleet of hosts that are not there: real agents' answers, from generated storages and guests, in few processes."""
