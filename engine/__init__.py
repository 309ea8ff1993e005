"""Encore's engine: everything but the pages. It never imports streamlit.

Data flows one way, and a module imports only from its left (tests/test_layers.py holds that):
errors, settings, processes → interactions → datasets → preprocessing → splits → profile → losses, metrics → models → config →
evaluation → training → store → experiment → runs → babysitter → background → presets → recommendations, decomposition → __main__
"""

import os

# Read by OpenMP when torch is imported. Threads that wait by spinning starve each other as soon as anything else wants a core: beside
# a busy browser, an epoch of the demo took 1.5 s with spinning threads and 0.1 s with sleeping ones.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
