"""The only part of the client that speaks gRPC: channels, calls, retries, and errors made ours."""
