"""The client of poolfleet agents: one host by `AgentClient`, many by `Fleet`."""
