"""Deltas and the push queue: the differences between what is wanted and what nginx has, sent in safe order.

The core (`Queue`, `Reloads`) is pure and is told the time; `Pusher` does what it says. Neither interprets
objects, and neither talks to nginx directly: that is the keeper's.
"""
