//! How long binaries take to start, as functions on Lambda: to the first poll of the Runtime API,
//! and to the first answer. DynamoDB is behind TLS, as in the cloud.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Roster;
use crate::runtime_api::{RuntimeApi, function};
use crate::tls::TlsFront;

/// A binary to start.
pub struct Subject {
    /// What it is called in the figures.
    pub name: String,
    /// Where it is.
    pub binary: PathBuf,
}

/// What the starts of a subject took.
#[derive(Default)]
pub struct Figures {
    /// The subject's name.
    pub name: String,
    /// From the start of the process to its first poll.
    pub first_poll: Vec<Duration>,
    /// From there to the answer to the first event.
    pub first_event: Vec<Duration>,
    /// From the start of the process to the answer to the first event.
    pub first_answer: Vec<Duration>,
    /// Processor time of the process until then.
    pub cpu: Vec<Duration>,
    /// Processor time of each further event.
    pub cpu_of_event: Vec<Duration>,
}

/// Some of a measurement's values, the quickest first.
pub fn quantile(values: &[Duration], share: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// The figures as a table in Markdown.
pub fn table(figures: &[Figures]) -> String {
    let mut text = "| median (p10 to p90), ms | first poll | then first answer | first answer | CPU of it | CPU of an event |\n".to_owned();
    text.push_str("|---|---|---|---|---|---|\n");
    for figures in figures {
        let shown = |values: &[Duration]| {
            let [middle, low, high] =
                [0.5, 0.1, 0.9].map(|share| quantile(values, share).as_secs_f64() * 1e3);
            format!("{middle:.2} ({low:.2} to {high:.2})")
        };
        let columns = [
            &figures.first_poll,
            &figures.first_event,
            &figures.first_answer,
            &figures.cpu,
            &figures.cpu_of_event,
        ];
        text.push_str(&format!(
            "| {} | {} |\n",
            figures.name,
            columns.map(|values| shown(values)).join(" | ")
        ));
    }
    text
}

/// Events that a process gets after the first one.
const FURTHER: u32 = 100;

/// Starts the subjects in turn, `starts` times each, so that what else the machine does falls on
/// all alike. Each gets that event for the handler, which reads.
pub async fn measure(
    subjects: &[Subject],
    handler: &str,
    event: &str,
    starts: usize,
) -> Vec<Figures> {
    let roster = Roster::start().await;
    let plain = &roster.server.data.database.endpoint;
    let front = TlsFront::start(plain.trim_start_matches("http://").to_owned()).await;
    let mut figures: Vec<_> = subjects
        .iter()
        .map(|subject| Figures { name: subject.name.clone(), ..Figures::default() })
        .collect();
    // The first round fills the machine's caches.
    for round in 0..=starts {
        for (subject, figures) in subjects.iter().zip(&mut figures) {
            let start = start(subject, handler, event, &front).await;
            if round > 0 {
                figures.first_poll.push(start.first_poll);
                figures.first_event.push(start.first_answer - start.first_poll);
                figures.first_answer.push(start.first_answer);
                figures.cpu.push(start.cpu);
                figures.cpu_of_event.push(start.cpu_of_event);
            }
        }
    }
    figures
}

struct Start {
    first_poll: Duration,
    first_answer: Duration,
    cpu: Duration,
    cpu_of_event: Duration,
}

async fn start(subject: &Subject, handler: &str, event: &str, front: &TlsFront) -> Start {
    let further = (0..FURTHER).map(|_| event.to_owned());
    let mut api = RuntimeApi::start([event.to_owned()]).await;
    let mut command = function(&subject.binary, Some(handler), &front.url, &api.address);
    command.env("SSL_CERT_FILE", front.roots()).stdout(Stdio::null()).stderr(Stdio::null());
    let spawned = Instant::now();
    let process = Ended(command.spawn().expect("the binary starts"));
    let within = Duration::from_secs(10);
    let poll = tokio::time::timeout(within, api.polls.recv())
        .await
        .expect("the process polls")
        .expect("a poll");
    let answer = async |api: &mut RuntimeApi| {
        let answer = tokio::time::timeout(within, api.answers.recv())
            .await
            .expect("the process answers")
            .expect("an answer");
        assert_eq!(
            answer.body["statusCode"], 200,
            "{} answered {}: {}",
            subject.name, answer.to, answer.body
        );
        answer.at
    };
    let answered = answer(&mut api).await;
    let cpu = process.cpu();
    api.push(further);
    for _ in 0..FURTHER {
        answer(&mut api).await;
    }
    Start {
        first_poll: poll - spawned,
        first_answer: answered - spawned,
        cpu,
        cpu_of_event: process.cpu().saturating_sub(cpu) / FURTHER,
    }
}

/// A process that is ended when this is dropped.
struct Ended(Child);

impl Ended {
    /// The processor time of the threads that it has now; nothing where the machine does not say.
    fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.0.id()))
            .into_iter()
            .flatten()
            .flatten();
        let nanoseconds = |thread: std::fs::DirEntry| -> Option<u64> {
            std::fs::read_to_string(thread.path().join("schedstat"))
                .ok()?
                .split(' ')
                .next()?
                .parse()
                .ok()
        };
        Duration::from_nanos(threads.filter_map(nanoseconds).sum())
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
