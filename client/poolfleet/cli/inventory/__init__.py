"""The verbs of `inventory`: what the whole fleet stores, now and as it is kept in a store."""
