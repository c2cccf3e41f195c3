"""The only part of the client that speaks gRPC: channels, calls, retries, and errors made ours."""

import os

# gRPC tells standard error of each connection that it loses, too; that is the exceptions' to say. Read at its import.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
