//! The simulation at a modest length. `RHIZOME_SIM_SEEDS=10000` runs more, `RHIZOME_SIM_FIRST` says from where.

use rhizome_sim::{Counts, replay, simulate};

#[test]
fn honest_replicas_converge_and_lose_nothing_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seeds = number("RHIZOME_SIM_SEEDS").unwrap_or(100);
    let first = number("RHIZOME_SIM_FIRST").unwrap_or(0);
    let mut total = Counts::default();
    for seed in first..first + seeds {
        match simulate(seed) {
            Ok(outcome) => {
                if seed % 50 == 0 {
                    assert_eq!(
                        replay(seed).0,
                        Ok(outcome),
                        "seed {seed} is not the same twice"
                    );
                }
                total.add(&outcome.counts);
            }
            Err(why) => {
                let (_, trace) = replay(seed);
                for line in &trace[trace.len().saturating_sub(400)..] {
                    println!("{line}");
                }
                panic!("{why}");
            }
        }
    }
    println!("{seeds} seeds");
    for (name, n) in total.list() {
        println!("{n:>12}  {name}");
        assert!(n > 0 || seeds < 100, "never happened: {name}");
    }
}
