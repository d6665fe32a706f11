"""The engine: a verified model folder that scores batches of windows, the same on every call."""

from services.inference.engine.engine import Engine, open_engine
from services.inference.engine.runtimes import EngineError
from services.inference.engine.scoring import Scored, score

__all__ = ["Engine", "EngineError", "Scored", "open_engine", "score"]
