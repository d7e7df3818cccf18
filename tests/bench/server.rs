//! The local server in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs until it is dropped.
pub struct Process {
    /// Where it listens, as a URL.
    pub url: String,
    /// From its start until it said that it listens.
    pub ready: Duration,
    child: Child,
    _output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a server in a folder, where it has its database, and waits until it listens.
    pub fn start(binary: &Path, folder: &Path, arguments: &[&str]) -> Self {
        let begin = Instant::now();
        let mut command = Command::new(binary);
        command.args(["--port", "0"]).args(arguments).current_dir(folder).stdout(Stdio::piped());
        // Another DynamoDB asks for credentials and a region; this machine's are not its business.
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1");
        let mut child = command
            .env("RUST_LOG", "error")
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        let url = loop {
            line.clear();
            assert!(
                output.read_line(&mut line).expect("its output is text") > 0,
                "the server ended before it listened"
            );
            if let Some(url) = line.strip_prefix("listening on ") {
                break url.trim().to_owned();
            }
        };
        Self { url, ready: begin.elapsed(), child, _output: output }
    }

    /// The most memory that it had in use, in megabytes; only Linux tells.
    pub fn peak_megabytes(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let kilobytes = status.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok()
        })?;
        Some(kilobytes * 1024.0 / 1e6)
    }

    /// The processor time that it took so far; only Linux tells.
    pub fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Field 14 and 15, counted after the name, which may hold anything; in hundredths of a
        // second.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
