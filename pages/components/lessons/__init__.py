"""The pictures of the lessons: one module each, with `draw(options, found)`; `found` is what the lesson computed."""
