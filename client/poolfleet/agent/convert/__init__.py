"""Between the contract's messages and the client's types: one module for what goes out, the rest for what comes in."""
