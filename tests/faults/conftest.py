"""Real hosts for the tests of faults, as the integration tests have them."""

from tests.integration.conftest import agent, host, host_folder, libvirtd, server, short_dir, slow_host

__all__ = ["agent", "host", "host_folder", "libvirtd", "server", "short_dir", "slow_host"]
