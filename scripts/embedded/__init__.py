"""Real hosts on one machine: each a libvirtd of its own with a poolfleet-agent beside it.

The demonstration, the benches and the integration tests run on these. As root a host is a *system* libvirtd in a mount
namespace of its own; as an ordinary user it is a *session* libvirtd with folders of its own. Nothing here touches the
machine's own libvirt, and nothing is left when a host has been stopped.
"""
