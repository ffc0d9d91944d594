"""Knows how each family of networks is built: one module a family, its parts in the order of the textbooks."""

from __future__ import annotations
