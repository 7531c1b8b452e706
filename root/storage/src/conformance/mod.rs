//! What every engine must do, as tests any engine can run.
//!
//! ```
//! use rhizome_storage::{MemoryKv, conformance};
//! conformance::run(&|| Box::new(MemoryKv::new()));
//! ```
//!
//! Every function panics at the first difference from the contract, as tests do.

mod model;
mod random;
mod scenarios;

pub use model::{History, run_history};
pub use random::Random;
pub use scenarios::{SCENARIOS, Scenario};

use crate::Kv;

/// Runs every scenario and a number of random histories, each on a new store that `make` returns.
pub fn run(make: &dyn Fn() -> Box<dyn Kv>) {
    for (name, scenario) in SCENARIOS {
        println!("conformance: {name}");
        scenario(&*make());
    }
    for seed in 0..8 {
        println!("conformance: random history {seed}");
        run_history(
            &*make(),
            History {
                seed,
                ..History::default()
            },
        );
    }
}
