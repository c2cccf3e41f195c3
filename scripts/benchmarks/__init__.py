"""What scripts/bench measures: one module for each benchmark, beside what they have in common."""
