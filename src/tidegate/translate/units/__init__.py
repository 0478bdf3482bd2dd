"""Units of work, one module for each kind: what is done anew when something that a unit looked at has changed."""
