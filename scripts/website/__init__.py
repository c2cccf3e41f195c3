"""The documentation site: docs/, and beside it the references that are made from the code whenever it is built."""
