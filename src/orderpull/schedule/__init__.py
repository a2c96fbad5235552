"""Schedule: runs by themselves, one at a time, on any machine."""
