"""`make bench`: what a scan costs, as ratios to peers and to a floor that are measured in the same run."""
