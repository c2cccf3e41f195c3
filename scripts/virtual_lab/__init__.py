"""Virtual machines with a real kernel NFS: one server, and hosts with libvirtd and poolfleet-agent; scripts/lab.

qemu runs them without hardware acceleration, so they start everywhere and are slow. They share a network that ends in
them: nothing of it is seen by this machine's own network, and they reach nothing outside.
"""
