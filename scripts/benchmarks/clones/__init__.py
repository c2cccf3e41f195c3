"""The benchmark `clones`: what others notice while a host makes many at once, and how soon a cancelled job is gone."""
