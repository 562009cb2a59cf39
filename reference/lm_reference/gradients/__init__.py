"""What happens to gradients between the backward pass and the update rule."""
