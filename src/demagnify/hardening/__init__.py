"""Hardening: agent and detector train in turns, without any super-resolution network."""
