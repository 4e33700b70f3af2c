"""The workflow on one machine: emulated AWS, the real functions, the real worker."""
