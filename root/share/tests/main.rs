//! Who may read a pod.

mod epoch;
