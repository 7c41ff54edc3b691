"""How the site runs, for those who run it: the page of workers and queues, and figures for Prometheus."""
