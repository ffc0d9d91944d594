"""How what is asked of a tracking store gets there: written down at once, sent by a thread, never lost or doubled."""
