"""Learners: rewards in, a policy out."""
