"""The defence: an agent that picks a corrective action for each image before the detector."""
