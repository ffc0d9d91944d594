"""Puts search, training and tracking together: one trial, the worker's loop, and the launch of a study."""
