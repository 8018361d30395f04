"""What is said between a client and Poe, in no dialect at all. Standard library only."""
