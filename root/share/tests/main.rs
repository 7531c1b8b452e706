//! Who may read a pod, and who may write to it.

mod certificates;
mod classifier;
mod epoch;
mod world;
