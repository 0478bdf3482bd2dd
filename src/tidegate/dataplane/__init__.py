"""The data plane seen from Python: its installation, its configuration and the process that owns it."""
