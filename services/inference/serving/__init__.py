"""Ray Serve's edge: the deployments. Logic is elsewhere; here it is given a process and a lifetime."""
