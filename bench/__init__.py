"""The benchmark: `make bench` measures every figure with its baseline, in one run, on one server with fsync on."""
