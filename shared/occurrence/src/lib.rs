//! GBIF occurrence formats read into typed record batches; the filters; subsets.
