"""Several worker processes on one study: what they are given, what starts them, and who replaces the dead."""
