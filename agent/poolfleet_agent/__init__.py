"""The agent: libvirt's storage pools and volumes of one host, behind gRPC."""
