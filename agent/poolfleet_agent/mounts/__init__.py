"""The host's mounts: reading them, probing servers, one attempt to mount, getting rid of one."""
