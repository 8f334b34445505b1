"""The inputs of a rebuild and the gate that stands before it."""
