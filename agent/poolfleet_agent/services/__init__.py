"""The RPCs: thin servicers that check the shape of a request, call a use case and translate its answer."""
