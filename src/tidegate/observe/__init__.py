"""Watching what a gateway does, from outside and from inside."""
