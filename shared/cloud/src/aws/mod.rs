//! The adapters of the ports to AWS, each SDK behind its feature.
