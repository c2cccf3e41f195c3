"""What is written: answers in six forms, tables, single objects and single values."""
