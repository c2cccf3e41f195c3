"""The benchmark `fleet`: simulated fleets of several sizes brought into a store."""
