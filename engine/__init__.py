"""Encore's engine: everything but the pages. It never imports streamlit.

Data flows one way, and a module imports only from its left (tests/test_layers.py holds that):
errors → interactions → datasets → preprocessing → splits → losses, metrics → models → config → evaluation →
training → store → runs → background → presets → __main__
"""
