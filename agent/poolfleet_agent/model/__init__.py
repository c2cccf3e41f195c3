"""What things are, and the rules that hold for them. Pure: no I/O, no asyncio, no grpc, no libvirt."""
