"""Puts search, training and tracking together: one trial, the worker's loop, and the launch of a study.

Nothing is imported here, so that reading a study back does not load torch.
"""
