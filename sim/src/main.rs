//! `rhizome-sim SEEDS [FIRST]`: runs that many seeds and prints what happened and what it took. A seed that fails is replayed with its
//! trace.

use std::{process::ExitCode, time::Instant};

use rhizome_sim::{Counts, replay, simulate};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|a| a.parse::<u64>());
    let (Some(Ok(seeds)), first) = (numbers.next(), numbers.next().unwrap_or(Ok(0))) else {
        eprintln!("usage: rhizome-sim SEEDS [FIRST]");
        return ExitCode::FAILURE;
    };
    let Ok(first) = first else {
        eprintln!("the first seed is a number");
        return ExitCode::FAILURE;
    };
    std::panic::set_hook(Box::new(|_| ()));
    let clock = Instant::now();
    let (mut total, mut failed) = (Counts::default(), Vec::new());
    for seed in first..first.saturating_add(seeds) {
        match simulate(seed) {
            Ok(outcome) => total.add(&outcome.counts),
            Err(why) => {
                println!("{why}");
                failed.push(seed);
            }
        }
    }
    if seeds == 1 || failed.len() == 1 {
        let (_, trace) = replay(failed.first().copied().unwrap_or(first));
        for line in &trace {
            println!("{line}");
        }
    }
    for (name, n) in total.list() {
        println!("{n:>12}  {name}");
    }
    println!(
        "{seeds} seeds from {first}, {} failed {failed:?}; {:.1} s of CPU, {:.1} s",
        failed.len(),
        cpu_seconds().unwrap_or_default(),
        clock.elapsed().as_secs_f64()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// User and system time of this process, where the system tells (Linux, hundredths of a second).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}
