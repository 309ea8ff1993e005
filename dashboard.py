"""The app: `streamlit run dashboard.py`. Navigation comes from the registry in pages/__init__.py."""

from __future__ import annotations

from pages import navigation
from pages.components.frame import enter_dashboard, mistakes_as_sentences
from pages.components.session import warm_engine

enter_dashboard()
page = navigation()
with mistakes_as_sentences():
    warm_engine()
with mistakes_as_sentences():
    page.run()
