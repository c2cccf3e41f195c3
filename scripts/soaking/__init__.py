"""A soak: many callers at once, while libvirtd and the agent are killed, stopped and restarted, and then a reckoning.

What callers were told is written down as it happens. When all is quiet, the host is walked by means that are not the
agent's (its directories, virsh, /proc, the state directory's database), and what is there is held against it.
"""
