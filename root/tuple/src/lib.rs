//! Signed commits of sealed leaves, the operations in them, and the merge rules: pure data.
