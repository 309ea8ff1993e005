"""Looking after what Encore keeps: backup and restore, checking everything, making room."""

from engine.upkeep.backup import back_up
from engine.upkeep.check import Finding, check
from engine.upkeep.clean import KINDS, USUAL, Scrap, remove, scraps
from engine.upkeep.restore import put_back, users_of

__all__ = ["KINDS", "USUAL", "Finding", "Scrap", "back_up", "check", "put_back", "remove", "scraps", "users_of"]
