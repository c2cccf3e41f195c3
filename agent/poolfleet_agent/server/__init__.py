"""The process around the services: listening, who calls, limits, health, metrics, logs, draining, and the wiring."""
