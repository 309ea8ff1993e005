"""What the Learn page teaches: nine lessons, each one idea with a small computation behind its picture.

To add a lesson, write engine/lessons/NAME.py (its `Options` above its `compute`), its text in assets/lessons/NAME.md, its picture in
pages/components/lessons/NAME.py, and enter the name in NAMES. Names have a dash where file names in Python have an underscore.
"""

from engine.lessons.lesson import FOLDER, NAMES, Lesson, Options, lesson, lessons

__all__ = ["FOLDER", "NAMES", "Lesson", "Options", "lesson", "lessons"]
