"""libvirt: the only place that imports it. `Libvirt` is the port model.ports.Hypervisor."""

from poolfleet_agent.hypervisor.adapter import HypervisorSettings, Libvirt

__all__ = ["HypervisorSettings", "Libvirt"]
