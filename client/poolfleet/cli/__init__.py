"""The command line `poolfleet`: what virsh's storage commands are for one host, for one or many."""
