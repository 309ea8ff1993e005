"""What trained runs recommend beside each other and beside SVD, why, and how well they serve whom. For pages and the command line."""

from engine.recommendations.beside_svd import for_new_user, for_user
from engine.recommendations.described import history
from engine.recommendations.lists import SVD, Advisor, Compared, Listed, compare
from engine.recommendations.person import Person, known, newcomer, read_changes, write_changes
from engine.recommendations.reasons import Reasons, reasons
from engine.recommendations.service import Service, held_out_pairs, serve
from engine.recommendations.written import read_ratings

__all__ = [
    "SVD",
    "Advisor",
    "Compared",
    "Listed",
    "Person",
    "Reasons",
    "Service",
    "compare",
    "for_new_user",
    "for_user",
    "held_out_pairs",
    "history",
    "known",
    "newcomer",
    "read_changes",
    "read_ratings",
    "reasons",
    "serve",
    "write_changes",
]
