"""Curves of virtual hardware."""
