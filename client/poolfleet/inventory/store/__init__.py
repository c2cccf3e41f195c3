"""The inventory of a fleet in a database: written host by host as agents tell it, each volume of a storage once."""
