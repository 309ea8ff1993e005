"""The app: `streamlit run dashboard.py`. Navigation comes from the registry in pages/__init__.py."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages import navigation
from pages.components.frame import enter_dashboard, mistakes_as_sentences
from pages.components.session import warm_engine

ASSETS = Path(__file__).parent / "assets"

st.set_page_config(page_title="Encore", page_icon=str(ASSETS / "icon.svg"), layout="wide", initial_sidebar_state=200)
st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")
enter_dashboard()
page = navigation()
with mistakes_as_sentences():
    warm_engine()
with mistakes_as_sentences():
    page.run()
