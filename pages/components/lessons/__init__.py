"""The pictures of the lessons: one module each, with `draw(options, found)`, or `draw(options, found, shown)` where it has `frames`.

`found` is what the lesson computed, `shown` the number of the frame.
"""
