"""Hyperparameter optimisation for image classifiers, tracked in MLflow."""
