//! A deterministic, clearly labelled synthetic download.
