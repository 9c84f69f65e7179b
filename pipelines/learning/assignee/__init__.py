"""The assignee recommender: who takes over a task, ranked from what was known at the moment."""
