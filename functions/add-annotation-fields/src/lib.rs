//! The workflow step add-annotation-fields.
