"""What is to be done: tasks, the registry that holds them, and the desk `tasks.json`."""
