"""Parts that pages are made of. None imports torch: a page has to stand within a second."""
