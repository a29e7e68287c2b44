"""Local models: one worker process for each loaded model."""
