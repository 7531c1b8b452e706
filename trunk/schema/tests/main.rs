//! Tests of schemas through their public face.

mod built_in;
mod declarations;
mod documents;
