"""Amazon Redshift, provisioned or Serverless, through redshift_connector."""
