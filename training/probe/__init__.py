"""What a trained encoder knows: the linear probe on its frozen embeddings, and fine-tuning from there."""
