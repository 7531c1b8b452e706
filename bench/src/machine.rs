//! What the figures were measured on.

use serde_json::{Value, json};

/// Processor, cores, memory and kernel, as far as the system says them.
pub fn describe() -> Value {
    let field = |path: &str, name: &str| -> Option<String> {
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().ok().map(usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|release| release.trim().to_owned()),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
}
