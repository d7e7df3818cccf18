//! The requests of the smoke suite, and what it has made so far.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Client, Method};
use serde_json::Value;

use super::report::Exchange;
use crate::Failure;

/// Why a check did not pass.
#[derive(Debug)]
pub enum Problem {
    /// It was not tried.
    Skipped(String),
    /// Something was wrong.
    Failed(String),
}

impl Problem {
    /// A check that cannot be tried, as something is missing.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped(reason.into())
    }

    /// A check that failed.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

/// A check's result.
pub type Outcome<T = ()> = Result<T, Problem>;

/// The person behind the token, once they are known.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The account's id.
    pub id: String,
    /// The id of the team that they are in.
    pub team_id: String,
    /// True if the account is to be deleted in the end: nobody used it before.
    pub is_new: bool,
    /// True for a platform operator.
    pub is_operator: bool,
    /// The number in the team, by which the user-admin contract knows them.
    pub number: Option<u64>,
    /// The role in the team.
    pub role: String,
}

/// An API key that was made.
#[derive(Debug, Clone)]
pub struct Key {
    /// The id.
    pub id: String,
    /// The key itself.
    pub text: String,
}

/// The things that were made and are still there.
#[derive(Debug, Default)]
pub struct Made {
    /// The account of a person who had none.
    pub account: bool,
    /// Managed users, by their ids: one, unless the server makes two of one request.
    pub managed_users: Vec<String>,
    /// An API key.
    pub key: Option<Key>,
    /// An invite, by its id.
    pub invite: Option<String>,
}

/// A run of the suite.
pub struct Session {
    http: Client,
    url: String,
    token: String,
    /// The origin to try CORS with.
    pub origin: Option<String>,
    /// The person, once they have signed up.
    pub person: Option<Person>,
    /// The things to remove.
    pub made: Made,
    /// The things that stay, for people to know.
    pub notes: Vec<&'static str>,
    /// Texts that no line may show.
    secrets: Vec<String>,
    last: Exchange,
}

impl Session {
    /// A run against a URL, by a token.
    pub fn new(http: Client, url: String, token: String, origin: Option<String>) -> Self {
        let secrets = vec![token.clone()];
        let (person, made, notes, last) = (None, Made::default(), Vec::new(), Exchange::default());
        Self { http, url, token, origin, person, made, notes, secrets, last }
    }

    /// Begins a check.
    pub fn begin(&mut self) {
        self.last = Exchange::default();
    }

    /// Says which statuses are right, where more are than a response is read of.
    pub fn expects(&mut self, statuses: &str) {
        self.last.expected = statuses.to_owned();
    }

    /// The last exchange of the running check.
    pub fn last(&self) -> Exchange {
        self.last.clone()
    }

    /// Looks if anything answers at the URL.
    pub async fn reach(&self) -> Result<(), Failure> {
        let error = match self.http.get(format!("{}/health", self.url)).send().await {
            Err(error) if error.is_connect() => error,
            _ => return Ok(()),
        };
        let reason = innermost(&error);
        Err(format!(
            "nothing answers at {}: {reason}. Is the URL right, and does the server run?",
            self.url
        )
        .into())
    }

    /// A request without a credential.
    pub fn anonymous(&mut self, method: Method, path: &str) -> Call<'_> {
        let url = format!("{}{path}", self.url);
        // Ids differ from run to run, and say nothing.
        let shown = path
            .split('?')
            .next()
            .unwrap_or_default()
            .split('/')
            .map(|part| if is_id(part) { "{id}" } else { part });
        let shown = format!("{method} {}", shown.collect::<Vec<_>>().join("/"));
        Call { request: self.http.request(method, url), shown, session: self }
    }

    /// A request by the token.
    pub fn by_token(&mut self, method: Method, path: &str) -> Call<'_> {
        let token = self.token.clone();
        self.anonymous(method, path).bearer(&token)
    }

    /// A request by the person, once they have an account.
    pub fn by_person(&mut self, method: Method, path: &str) -> Outcome<Call<'_>> {
        self.person()?;
        Ok(self.by_token(method, path))
    }

    /// The person.
    pub fn person(&self) -> Outcome<&Person> {
        self.person.as_ref().ok_or_else(|| Problem::skipped("not tried: the person has no account"))
    }

    /// The person, who administers a team.
    pub fn administrator(&self) -> Outcome<&Person> {
        let person = self.person()?;
        if person.role == "ADMIN" {
            return Ok(person);
        }
        Err(Problem::skipped("not tried: the person does not administer the team"))
    }

    /// The person, who may manage users.
    pub fn manager(&self) -> Outcome<&Person> {
        match self.person()? {
            person if person.role == "VIEWER" => {
                Err(Problem::skipped("not tried: a viewer manages no users"))
            }
            person => Ok(person),
        }
    }

    /// Keeps a secret out of what is printed.
    pub fn hide(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
    }

    fn redacted(&self, text: &str) -> String {
        let shown = self
            .secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "(hidden)"));
        shown.chars().filter(|letter| !letter.is_control()).take(300).collect()
    }

    /// Returns what is left of the run.
    pub fn leaves(&self) -> String {
        if self.notes.is_empty() {
            "Nothing was made.".to_owned()
        } else {
            format!("Left behind: {}.", self.notes.join("; "))
        }
    }
}

fn is_id(part: &str) -> bool {
    uuid::Uuid::try_parse(part).is_ok()
        || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// A request that is being built.
pub struct Call<'a> {
    session: &'a mut Session,
    request: reqwest::RequestBuilder,
    shown: String,
}

impl Call<'_> {
    /// With a credential.
    pub fn bearer(mut self, credential: &str) -> Self {
        self.request = self.request.bearer_auth(credential);
        self
    }

    /// With a header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// Sends it. Any other status than these is a failure, and so is a response without a request
    /// id.
    pub async fn expect(self, statuses: &[u16]) -> Outcome<Reply> {
        let reply = self.send(statuses).await?;
        reply
            .header("x-request-id")
            .map(|_| ())
            .ok_or_else(|| Problem::failed("the response has no x-request-id"))?;
        Ok(reply)
    }

    /// Sends it, and holds the status alone against these.
    pub async fn send(self, statuses: &[u16]) -> Outcome<Reply> {
        let Call { session, request, shown } = self;
        let expected = statuses.iter().map(u16::to_string).collect::<Vec<_>>().join("/");
        let start = Instant::now();
        session.last = Exchange { request: shown, expected, status: None, time: Duration::ZERO };
        let outcome = async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok::<_, reqwest::Error>(Reply { status, headers, text: response.text().await? })
        };
        let outcome = outcome.await;
        session.last.time = start.elapsed();
        let reply = outcome
            .map_err(|error| Problem::failed(format!("no response: {}", innermost(&error))))?;
        session.last.status = Some(reply.status);
        if statuses.contains(&reply.status) {
            return Ok(reply);
        }
        let body = session.redacted(&reply.text);
        Err(Problem::failed(if body.is_empty() {
            "the response has no body".to_owned()
        } else {
            body
        }))
    }
}

/// A response.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that must be there.
    pub fn required_header(&self, name: &str) -> Outcome<&str> {
        self.header(name).ok_or_else(|| Problem::failed(format!("the response has no {name}")))
    }

    /// The body as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The body.
    pub fn json(&self) -> Outcome<Value> {
        serde_json::from_str(&self.text).map_err(|_| Problem::failed("the body is not JSON"))
    }

    /// A text of the body, by its JSON pointer.
    pub fn text_at(&self, pointer: &str) -> Outcome<String> {
        let text = self.json()?.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| Problem::failed(format!("the body has no text at {pointer}")))
    }

    /// Holds a value of the body against another.
    pub fn has(&self, pointer: &str, expected: &Value) -> Outcome {
        match self.json()?.pointer(pointer) {
            Some(value) if value == expected => Ok(()),
            Some(value) => {
                Err(Problem::failed(format!("{pointer} of the body is {value} and not {expected}")))
            }
            None => Err(Problem::failed(format!("the body has no {pointer}"))),
        }
    }

    /// Holds the body to be a list, at a JSON pointer.
    pub fn list_at(&self, pointer: &str) -> Outcome<Vec<Value>> {
        let list = self.json()?.pointer(pointer).and_then(Value::as_array).cloned();
        list.ok_or_else(|| Problem::failed(format!("the body has no list at {pointer:?}")))
    }
}
