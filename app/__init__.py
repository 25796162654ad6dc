"""Scheduled tasks for an AI persona: what is to be done, when, one run at a time, by whom."""
