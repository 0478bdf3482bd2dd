"""From typed objects to model entries: interpret each object alone, then merge what they ask for."""

from tidegate.translate._options import Options
from tidegate.translate._restarts import last_good_of
from tidegate.translate._translator import Translator
from tidegate.translate._work import Work

__all__ = ["Options", "Translator", "Work", "last_good_of"]
