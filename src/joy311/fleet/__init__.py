"""Households and the people in them, and the demo that lets one of them live behind a meter."""
