"""What people call from Python, and what the command line is made of.

`tunetrack` itself offers the functions meant for users. Nothing is imported here, so that a command loads only the
libraries that it needs: torch takes seconds.
"""
