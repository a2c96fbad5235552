"""Conform: whether an API's file and the engine agree, tried on a server made of that file."""
