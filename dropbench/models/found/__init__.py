"""What is found in a module that knows nothing of dropbench, and taken over: the parts behind `models.module`."""
