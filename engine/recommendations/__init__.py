"""What a trained run recommends beside SVD, and how well it serves whom. Plain rows, for pages and the command line."""

from engine.recommendations.lists import for_new_user, for_user
from engine.recommendations.service import Service, held_out_pairs, serve
from engine.recommendations.written import find_item, parse_ratings, read_ratings

__all__ = ["Service", "find_item", "for_new_user", "for_user", "held_out_pairs", "parse_ratings", "read_ratings", "serve"]
