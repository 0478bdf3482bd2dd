"""Where objects come from: a folder of manifests (and, beside it, a Kubernetes API server).

A source tells facts: which objects came, changed or went, and what is wrong in the texts that it read. It has typed and
checked the objects (``kube.decoding``); what they mean is not its concern. The first batch that says so is the complete
listing; each batch after it holds what was seen together.
"""

from tidegate.sources._batches import Batch, Change, Place
from tidegate.sources._folder import FolderSource
from tidegate.sources._once import read_folder
from tidegate.sources._steps import Priority

__all__ = ["Batch", "Change", "FolderSource", "Place", "Priority", "read_folder"]
