"""Many hosts at once: chosen by globs and labels, asked with limits, and one outcome for each of them."""
