"""Pages of schedules: what the learning rate and the size of the batch are at every point of a run."""
