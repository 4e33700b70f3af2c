//! The US Register of Introduced and Invasive Species: reading and matching.
