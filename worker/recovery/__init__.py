"""Records anew after a loss of Redis, from what AWS still knows."""
