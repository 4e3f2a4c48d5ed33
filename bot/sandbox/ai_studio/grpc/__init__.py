"""The gRPC side of the sandbox's AI Studio, which is loaded only where it is wanted. Begin with `server.GrpcServer`."""
