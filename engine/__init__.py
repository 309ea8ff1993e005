"""Encore's engine: everything but the pages. It never imports streamlit.

Data flows one way, and a module imports only from its left (tests/test_layers.py holds that):
errors, settings, files, seals, processes, disk, spreadsheets → interactions → gathering → datasets → preprocessing → splits → groups →
profile → losses, metrics → models → config → devices, noise, plan, optimizers, passes → evaluation → judging, pairwise → training →
store → pace → endings → paired → comparison → footprint → experiment → pinned, facts → export, mirror → runs → presets → upkeep →
sweeps → ready → babysitter → cluster → background → queue → tables → item_map → decomposition → reproduce → explain → recommendations →
lessons → bench → commands → __main__
"""

import os

# Read by OpenMP when torch is imported. Threads that wait by spinning for long, as is its default, starve each other as soon as
# anything else wants a core (beside a busy browser, an epoch of the demo took 1.5 s); threads that sleep at once cost a fifth of a
# large network's epoch. This many turns bridge the gap from one operation of a batch to the next.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
