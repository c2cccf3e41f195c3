"""Real hosts for the tests of faults, as the integration tests have them."""

from tests.integration.conftest import agent, host, libvirtd, short_dir, slow_host

__all__ = ["agent", "host", "libvirtd", "short_dir", "slow_host"]
