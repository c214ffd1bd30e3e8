"""Where people already look: each trial's record and curves, told to TensorBoard or MLflow as it runs."""
