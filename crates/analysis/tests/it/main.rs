//! The judge from outside.

mod properties;
