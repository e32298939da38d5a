"""What every room stands on: errors, the image contract, registry, artifacts, devices, progress."""
