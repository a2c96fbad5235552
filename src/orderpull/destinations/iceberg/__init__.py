"""Apache Iceberg: tables in a folder or bucket, which many engines read; written with pyiceberg."""
