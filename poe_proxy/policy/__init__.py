"""What we decide. Pure and synchronous: clock, randomness and everything learned are arguments."""
