//! The HTTP client of the functions, against servers that keep, cut and spoil their connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{Builder, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::http_client_fn;
use shared::aws::CONNECT_TIMEOUT;
use shared::{dynamodb, http};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a server does with a request.
#[derive(Debug, Clone, Copy)]
enum Conduct {
    /// Answers that there is no such item.
    Answers,
    /// Answers so, and closes the connection.
    AnswersAndCloses,
    /// Answers 500.
    Fails,
    /// Closes the connection without an answer.
    Cuts,
    /// Closes it in the middle of the answer.
    Breaks,
    /// Never answers.
    Hangs,
}

/// A server: what it does with each request, and over which of its connections each one came.
struct Server {
    address: SocketAddr,
    came_by: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    async fn start(conduct: Vec<Conduct>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let came_by = Arc::new(Mutex::new(Vec::new()));
        let seen = came_by.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (seen, conduct) = (seen.clone(), conduct.clone());
                tokio::spawn(async move {
                    let next = || {
                        let mut seen = seen.lock().expect("the requests");
                        seen.push(connection);
                        conduct[seen.len() - 1]
                    };
                    let _ = serve(stream, next).await;
                });
            }
        });
        Self { address, came_by }
    }

    /// Asks for an item as often as said, one after the other, as a function does. Gives how many
    /// answers came.
    async fn ask(&self, times: usize) -> usize {
        let client =
            http::client(http::roots("").expect("none"), Some(CONNECT_TIMEOUT)).expect("a client");
        let config = Builder::new()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::for_tests())
            .endpoint_url(format!("http://{}", self.address))
            .http_client(http_client_fn(move |_, _| client.clone()));
        let client = dynamodb::client(config);
        let mut answered = 0;
        for _ in 0..times {
            let request =
                client.get_item().table_name("table").key("pk", AttributeValue::S("key".into()));
            answered += usize::from(request.send().await.is_ok());
        }
        answered
    }

    fn came_by(&self) -> Vec<usize> {
        self.came_by.lock().expect("the requests").clone()
    }
}

/// Reads requests from a connection and does with each what is said then.
async fn serve(stream: TcpStream, next: impl Fn() -> Conduct) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length]).await?;
        let conduct = next();
        let answer = match conduct {
            Conduct::Answers | Conduct::AnswersAndCloses => {
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
            }
            Conduct::Fails => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}",
            Conduct::Breaks => "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{",
            Conduct::Cuts => "",
            Conduct::Hangs => std::future::pending().await,
        };
        stream.write_all(answer.as_bytes()).await?;
        if !matches!(conduct, Conduct::Answers | Conduct::Fails) {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn requests_go_over_one_connection_as_long_as_it_is_good() {
    use Conduct::{Answers, AnswersAndCloses, Breaks, Cuts, Fails};
    for (conduct, answered, came_by) in [
        (vec![Answers; 4], 4, vec![0, 0, 0, 0]),
        // One over which an attempt failed is not used again.
        (vec![Answers, Fails, Answers, Answers], 3, vec![0, 0, 1, 1]),
        (vec![Answers, Fails, Fails, Answers, Answers], 3, vec![0, 0, 1, 2, 2]),
        (vec![Answers, Cuts, Answers, Answers], 3, vec![0, 0, 1, 1]),
        (vec![Answers, Breaks, Answers, Answers], 3, vec![0, 0, 1, 1]),
        // Nor one that the server closed while nothing was asked.
        (
            vec![Answers, AnswersAndCloses, Answers, AnswersAndCloses, Answers],
            5,
            vec![0, 0, 1, 1, 2],
        ),
        // Four attempts are all that a request has.
        (vec![Fails, Fails, Fails, Fails, Answers], 1, vec![0, 1, 2, 3, 4]),
    ] {
        let server = Server::start(conduct.clone()).await;
        let times = if matches!(conduct[0], Fails) { 2 } else { answered };
        assert_eq!((server.ask(times).await, server.came_by()), (answered, came_by), "{conduct:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_asked_again_over_another_connection() {
    let server = Server::start(vec![Conduct::Hangs, Conduct::Answers, Conduct::Answers]).await;
    let answered =
        tokio::time::timeout(Duration::from_secs(5), server.ask(2)).await.expect("in time");
    assert_eq!((answered, server.came_by()), (2, vec![0, 1, 1]));
}

#[tokio::test]
async fn where_nobody_listens_a_request_fails_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server =
        Server { address: listener.local_addr().expect("an address"), came_by: Arc::default() };
    drop(listener);
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(4), server.ask(1)).await.expect("in time"),
        0
    );
}
