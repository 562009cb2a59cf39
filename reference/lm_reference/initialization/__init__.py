"""What the weights of a model are before the first update."""
