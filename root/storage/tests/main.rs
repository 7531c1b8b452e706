//! Every engine against the contract, and the engine on disk against crashes.

mod damage;
mod disk;
mod engines;
#[cfg(unix)]
mod full;
mod io_errors;
#[cfg(unix)]
mod kill;
mod power_loss;
mod workload;

/// How often to repeat a crash test: `default`, or that many times the number in the variable
/// `RHIZOME_CRASH_FACTOR`.
fn rounds(default: usize) -> usize {
    let factor = std::env::var("RHIZOME_CRASH_FACTOR").ok();
    default * factor.map_or(1, |f| f.parse().expect("RHIZOME_CRASH_FACTOR is a number"))
}
