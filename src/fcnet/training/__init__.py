"""Training: the loop, update rules, schedules, history, callbacks."""
