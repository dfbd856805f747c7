//! The project file `leadsman.yaml`: read, checked, resolved.
