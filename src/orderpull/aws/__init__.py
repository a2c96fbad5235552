"""Run elsewhere: on AWS Lambda, a thin shell around the pipeline."""
