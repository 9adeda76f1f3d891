"""Recognisers: pocketsphinx in processes of its own, and recognisers that end jobs by the clock."""
