"""What hears speech, or makes as if: recognisers and the processes they run in."""
