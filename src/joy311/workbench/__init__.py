"""One page on which a person sees and touches the meter, its load and the shop side by side."""
