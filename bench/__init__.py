"""The benchmark: `make bench` measures every figure next to its yardstick, in one run, on one server with fsync on."""
