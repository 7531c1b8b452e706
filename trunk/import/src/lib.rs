//! Importers: other platforms' exports become tuples, and can run again.
