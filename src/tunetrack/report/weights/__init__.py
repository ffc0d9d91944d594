"""What happened inside the networks of a study's trials, side by side: numbers, words, figures, and their page."""
