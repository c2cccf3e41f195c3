"""Every path that the agent looks at, it looks at through a child process: one that hangs can be killed."""
