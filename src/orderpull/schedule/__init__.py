"""Schedule: repeat runs by a trigger, one at a time, on any machine."""
