"""Update rules: parameters, gradients and state in, new parameters and state out."""
