"""The commands of `bench`, one file a room. Heavy imports stay inside the functions."""
