//! Counts, lists and the ledger's arithmetic.
