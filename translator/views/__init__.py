"""Pages. Each view reads with a selector or writes with a service, and says what the browser may keep."""
