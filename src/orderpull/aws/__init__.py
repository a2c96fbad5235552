"""AWS Lambda: run the pipeline as a function, alone or with one message for each source."""
