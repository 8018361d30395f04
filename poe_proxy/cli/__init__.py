"""The commands of ``proxy.py``: what a person types and what is said to them in return."""
