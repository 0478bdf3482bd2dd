"""An HTTP gateway into Kubernetes clusters."""

__version__ = "0.1.0.dev0"
