//! Who may read a pod, and who may write to it.

mod certificates;
mod epoch;
mod world;
