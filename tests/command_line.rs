//! The local server as a person starts it: what it prints, and that what it prints works.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program in a folder of its own, with none of the settings that this machine may have.
fn local(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.current_dir(folder.path()).args(arguments);
    for variable in ["TABLE_NAME", "JWT_SECRET", "JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    local(folder, arguments).output().expect("the program ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A started server; it ends when this is dropped.
struct Started {
    process: Child,
    printed: Vec<String>,
    url: String,
}

impl Started {
    fn start(folder: &TempDir, arguments: &[&str]) -> Self {
        let mut process = local(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts");
        let mut printed = Vec::new();
        for line in BufReader::new(process.stdout.take().expect("its output")).lines() {
            printed.push(line.expect("a line"));
            if let Some(url) = printed.last().and_then(|line| line.strip_prefix("listening on ")) {
                return Self { url: url.to_owned(), process, printed };
            }
        }
        panic!("the server ended with {:?}: {printed:?}", process.wait());
    }

    /// The line after the one that contains a text.
    fn after(&self, text: &str) -> &str {
        let place = self.printed.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text} in {:?}", self.printed));
        self.printed[place + 1].trim()
    }

    async fn status(&self, path: &str, credential: &str) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("{}{path}", self.url)).bearer_auth(credential).send().await.expect("an answer");
        assert!(answer.headers().contains_key("server-timing"));
        answer.status().as_u16()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.process.kill().expect("the server is there");
        self.process.wait().expect("the server ends");
    }
}

#[tokio::test]
async fn the_server_prints_routes_and_credentials_that_work() {
    let folder = TempDir::new().expect("a folder");
    let server = Started::start(&folder, &["--memory", "--port", "0"]);
    assert!(server.url.starts_with("http://127.0.0.1:"));
    assert!(server.printed.iter().any(|line| line.contains("/api/v1/admin_user ") && line.contains("directory.list_admin_users")));
    for (caller, path) in [
        ("platform operator,", "/v1/admin/users/00000000-0000-4000-8000-000000000002"),
        ("team admin,", "/api/admin/user-admin/1"),
        ("operator who sees all,", "/users"),
        ("operator,", "/users/me"),
        ("viewer,", "/users/me"),
        ("manager,", "/api/v1/users/"),
        ("API key of the team admin", "/users/me"),
    ] {
        assert_eq!(server.status(path, server.after(caller)).await, 200, "{caller}");
    }
    let token = run(&folder, &["token", "00000000-0000-4000-8000-000000000005", "--ttl", "5m"]);
    assert_eq!(server.status("/users/me", text(&token.stdout).trim()).await, 200);
    assert!(!Path::new(folder.path()).join(".roster").exists(), "--memory leaves no file");
}

#[tokio::test]
async fn a_file_database_keeps_what_was_imported() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(
        folder.path().join("users.jsonl"),
        "{\"id\":\"10000000-0000-4000-8000-000000000001\",\"email\":\"kept@example.com\"}\nbad\n",
    )
    .expect("a file");
    let token = text(&run(&folder, &["token", "10000000-0000-4000-8000-000000000001"]).stdout);
    let first = Started::start(&folder, &["--empty", "--port", "0", "--import", "users.jsonl"]);
    assert_eq!(first.status("/users/me", token.trim()).await, 200);
    drop(first);
    let second = Started::start(&folder, &["--port", "0"]);
    assert_eq!(second.status("/users/me", token.trim()).await, 200);
    assert_eq!(second.status("/api/admin/user-admin/1", second.after("team admin,")).await, 401, "--empty made no demo data");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_dynamodb_serves_as_well() {
    let options = local::Options {
        port: 0,
        location: local::Location::Memory,
        latency: std::time::Duration::ZERO,
        trailing_slash: local::TrailingSlash::default(),
        demo: true,
        config: local::config().expect("the defaults"),
        clock: shared::Clock::system(),
        log: std::sync::Arc::new(functions::log::NoLog),
        vault: None,
    };
    let data = local::Data::open(&options).await.expect("a database");
    let folder = TempDir::new().expect("a folder");
    let server = Started::start(&folder, &["--dynamodb-endpoint", &data.database.endpoint, "--port", "0"]);
    assert_eq!(server.status("/api/admin/user-admin/1", server.after("team admin,")).await, 200);
    assert!(!folder.path().join(".roster").exists());
}

#[test]
fn token_prints_a_token_and_nothing_else() {
    let folder = TempDir::new().expect("a folder");
    let output = run(&folder, &["token", "00000000-0000-4000-8000-000000000002"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let printed = text(&output.stdout);
    assert_eq!((printed.lines().count(), printed.trim().split('.').count()), (1, 3));
    assert!(!folder.path().join(".roster").exists(), "it needs no database");
}

#[test]
fn invoke_runs_one_handler_on_one_event() {
    let folder = TempDir::new().expect("a folder");
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/workspace/list_users.json");
    let output = run(&folder, &["--memory", "invoke", "workspace.list_users", event.to_str().expect("a path")]);
    let printed = text(&output.stdout);
    assert!(output.status.success() && printed.contains("\"statusCode\": 200"), "{output:?}");
}

#[test]
fn purge_prints_what_it_did() {
    let folder = TempDir::new().expect("a folder");
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/schedule/purge_accounts.json");
    let event = event.to_str().expect("a path");
    // Of fresh demo data nothing is due yet; and of none nothing ever.
    let nothing = serde_json::json!({"purged": 0, "skipped": 0, "failed": 0, "oldest_due_age_seconds": null, "finished": true});
    for arguments in [
        &["--memory", "purge"][..],
        &["purge", "--memory", "--empty", "--time", "1m"],
        &["--memory", "invoke", "schedule.purge_accounts", event],
    ] {
        let output = run(&folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
        assert_eq!(printed, nothing, "{arguments:?}");
    }
    let help = text(&run(&folder, &["--help"]).stdout);
    assert!(help.lines().any(|line| line.trim().starts_with("purge ")), "{help}");
}

#[tokio::test]
async fn a_platform_operator_is_made_and_unmade() {
    let folder = TempDir::new().expect("a folder");
    let viewer = "00000000-0000-4000-8000-000000000005";
    for (arguments, told, status) in
        [(&["operator", viewer][..], "is a platform operator", 200), (&["operator", viewer, "--remove"], "is no platform operator", 403)]
    {
        let output = run(&folder, arguments);
        assert_eq!(text(&output.stdout).trim(), format!("{viewer} {told}"), "{output:?}");
        let server = Started::start(&folder, &["--port", "0"]);
        assert_eq!(server.status("/v1/admin/quota-tiers", server.after("viewer,")).await, status);
    }
    let unknown = run(&folder, &["operator", "00000000-0000-4000-8000-00000000dead"]);
    assert!(text(&unknown.stderr).contains("error: There is no such account."), "{unknown:?}");
}

#[test]
fn what_cannot_be_done_is_said_in_a_line() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("event.json"), "{").expect("a file");
    for (arguments, message) in [
        (
            &["invoke", "nobody.home", "event.json"][..],
            "error: there is no handler \"nobody.home\"; there are: operator_account.list_users",
        ),
        (&["invoke", "workspace.get_user", "missing.json"], "error: cannot read missing.json: No such file"),
        (&["invoke", "workspace.get_user", "event.json"], "error: event.json is no event of an HTTP API: "),
        (&["token", "nobody"], "error: invalid value 'nobody' for '<USER_ID>'"),
        (&["token", "00000000-0000-4000-8000-000000000002", "--ttl", "soon"], "is no duration: write a number and s, m, h or d"),
        (&["--memory", "--port", "0", "--import", "missing.jsonl"], "error: cannot read missing.jsonl: No such file"),
    ] {
        let output = run(&folder, arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(message), "{arguments:?}: {}", text(&output.stderr));
    }
    let wrong = local(&folder, &["--memory", "--port", "0"]).env("JWT_SECRET", "short").output().expect("the program ends");
    assert!(text(&wrong.stderr).contains("error: environment variable JWT_SECRET is shorter than 32 bytes"));
}
