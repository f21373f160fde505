"""Methods that are compared, one a file: each takes a scan and answers for some of its voxels."""
