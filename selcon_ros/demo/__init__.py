"""The demo: recorded camera in, the node's answers out as pictures, bag and table."""
