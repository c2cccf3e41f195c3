"""The benchmark `nfs`: what network pools cost when their server is well, and when it is not."""
