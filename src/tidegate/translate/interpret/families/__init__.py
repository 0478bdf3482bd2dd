"""Families of annotations, one module each: ``ANNOTATIONS`` declares them.

A family whose annotations are parts of one thing also has ``complete(draft, problems)``, called once for each Ingress after
all annotations were read; ``problems`` takes (annotation, accepted, message) for a value that is ignored after all.
"""
