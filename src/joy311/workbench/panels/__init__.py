"""The parts of the page that stand behind its tabs, one module each."""
