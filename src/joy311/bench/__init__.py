"""Type tests of a meter in simulated time: the limits are data, and the truth is a formula."""
