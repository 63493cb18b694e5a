"""The JOY311 three-phase prepaid electricity meter and its point of sale, as software."""

__version__ = "0.1.0"
