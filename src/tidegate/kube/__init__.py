"""Kubernetes object types (only the fields that are used) and, later, access to the API."""
