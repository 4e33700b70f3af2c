//! The workflow step launch-spot-downloader.
