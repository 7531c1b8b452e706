//! Tests of views.

mod attacks;
mod histories;
mod world;
