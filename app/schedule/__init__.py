"""When a task is due: the text of a schedule, its fires, and what is owed after a silence."""
