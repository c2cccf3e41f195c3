"""The agent's configuration: what can be set, and how it is read."""

from poolfleet_agent.config.load import ConfigurationError, load, to_toml
from poolfleet_agent.config.settings import Settings

__all__ = ["ConfigurationError", "Settings", "load", "to_toml"]
