"""Finds what readers of a study should know before they believe it: rules over stored runs, ours or anybody's."""
