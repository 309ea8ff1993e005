"""What a trained run recommends beside SVD, and how well it serves whom. Plain rows, for pages and the command line."""

from engine.recommendations.lists import for_new_user, for_user
from engine.recommendations.service import Service, held_out_pairs, serve
from engine.recommendations.written import read_ratings

__all__ = ["Service", "for_new_user", "for_user", "held_out_pairs", "read_ratings", "serve"]
