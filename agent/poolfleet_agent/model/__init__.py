"""What pools, volumes, disks and operations are, and the rules that hold for them. Pure: no I/O, no asyncio, no grpc, no libvirt."""
