"""Stored objects: files of this machine or of a private S3 bucket, through one door. It knows of no row."""
