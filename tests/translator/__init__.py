"""The translator: uploads, access, the worker, storage, generators."""
