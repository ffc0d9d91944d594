"""What a study teaches: how parameters act, what made the best trial better, what pruning and the last bit cost."""
