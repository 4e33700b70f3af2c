//! The workflow step start-crawler.
