//! Tries a running server, whatever its URL: a deployed stack after each deployment, or a local
//! one.
//!
//! It acts as one ordinary person, by a token of theirs, and makes what that person may make: a
//! managed user, an API key, an invite. It removes all of that. If the person had no account
//! before, it signs them up, and deletes the account in the end.

mod checks;
mod report;
mod session;

use std::time::Duration;

use clap::Args;

use self::checks::{CHECKS, Check, LAST};
use self::report::{Row, Verdict};
use self::session::{Problem, Session};
use crate::Failure;
use crate::cloud::is_loopback;

/// The variable that holds the token where `--token` does not: other users of the machine can read
/// arguments.
const TOKEN_VARIABLE: &str = "ROSTER_TOKEN";

/// The URL to try, and the person to try it as.
#[derive(Args, Debug)]
pub struct Options {
    /// The server's URL, as https://abc123.execute-api.eu-north-1.amazonaws.com: the stack's output
    /// `Url`
    url: String,
    /// A token of the identity provider, of a person who may be a new one [default: the variable
    /// ROSTER_TOKEN]
    #[arg(long)]
    token: Option<String>,
    /// An origin that may call the API from a browser, as https://app.example.com: tries CORS as
    /// well
    #[arg(long)]
    origin: Option<String>,
}

/// Makes all checks, and prints a row for each.
///
/// # Errors
/// Says how many checks failed, or that the server cannot be reached.
pub async fn run(options: Options) -> Result<(), Failure> {
    let mut session = open(options)?;
    session.reach().await?;
    let mut rows = Vec::new();
    println!("{}", report::head());
    let interrupted = tokio::select! {
        () = try_each(CHECKS, &mut session, &mut rows) => false,
        _ = tokio::signal::ctrl_c() => true,
    };
    // What the checks themselves did not remove, as one failed before.
    for left in checks::clean_up(&mut session).await {
        println!("LEFT     {left}");
        rows.push(Row::failed("removing what was made"));
    }
    if session.person.is_some() {
        try_each(&[LAST], &mut session, &mut rows).await;
    }
    println!("{}", session.leaves());
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let (passed, skipped, failed) =
        (count(Verdict::Passed), count(Verdict::Skipped), count(Verdict::Failed));
    println!("{passed} passed, {skipped} skipped, {failed} failed");
    match failed {
        _ if interrupted => Err("interrupted".into()),
        0 => Ok(()),
        failed => Err(format!("{failed} of {} checks failed", rows.len()).into()),
    }
}

async fn try_each(checks: &[Check], session: &mut Session, rows: &mut Vec<Row>) {
    for check in checks {
        session.begin();
        let outcome = (check.run)(session).await;
        let row = Row::new(check.name, session.last(), outcome.err());
        println!("{row}");
        rows.push(row);
    }
}

fn open(options: Options) -> Result<Session, Failure> {
    let from_environment = || std::env::var(TOKEN_VARIABLE).ok();
    let token = options.token.or_else(from_environment).filter(|token| !token.trim().is_empty());
    let token = token
        .ok_or_else(|| format!("there is no token. Give --token, or set {TOKEN_VARIABLE}."))?;
    let url = options.url.trim_end_matches('/').to_owned();
    let is_local = is_loopback(&url);
    if !(url.starts_with("https://") || (is_local && url.starts_with("http://"))) {
        let message = "is not a URL to send a token to. Give one that starts with https://, or http:// on this machine.";
        return Err(format!("{url:?} {message}").into());
    }
    let mut http = reqwest::Client::builder()
        .user_agent(concat!("roster-smoke/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30));
    if is_local {
        http = http.no_proxy();
    }
    Ok(Session::new(http.build()?, url, token.trim().to_owned(), options.origin))
}
