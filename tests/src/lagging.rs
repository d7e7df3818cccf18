//! An embedded DynamoDB whose indexes follow the table after a while, as the cloud's do.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use local::Location;
use local::database::{self, Opened};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Two databases behind one address: each write is made in one at once, and in the other, which
/// answers what is asked of an index, when the lag is over.
pub struct Lagging {
    /// Its address.
    pub endpoint: String,
    _databases: [Opened; 2],
    _tasks: JoinSet<()>,
}

/// A call as it came.
type Call = (HeaderMap, Bytes);

struct Proxy {
    http: reqwest::Client,
    table: String,
    indexes: String,
    /// One write at a time, so that the indexes see them in their order.
    writes: Mutex<mpsc::UnboundedSender<(Instant, Call)>>,
    lag: Duration,
}

impl Lagging {
    /// Starts one that begins as `location` is.
    pub async fn start(location: &Location, lag: Duration) -> Self {
        let open = async || database::open(location).await.expect("a database");
        let (table, indexes) = (open().await, open().await);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let (writes, mut written) = mpsc::unbounded_channel::<(Instant, Call)>();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let proxy = Proxy {
            http,
            table: table.endpoint.clone(),
            indexes: indexes.endpoint.clone(),
            writes: Mutex::new(writes),
            lag,
        };
        let proxy = Arc::new(proxy);
        let mut tasks = JoinSet::new();
        let follower = proxy.clone();
        tasks.spawn(async move {
            while let Some((due, call)) = written.recv().await {
                tokio::time::sleep_until(due).await;
                let answer = follower.forward(&follower.indexes, call).await;
                assert!(answer.status().is_success(), "the indexes cannot follow: {answer:?}");
            }
        });
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = proxy.clone();
                stream.set_nodelay(true).expect("a connection");
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(|request| {
                        let proxy = proxy.clone();
                        async move { Ok::<_, std::convert::Infallible>(proxy.answer(request).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { endpoint, _databases: [table, indexes], _tasks: tasks }
    }
}

impl Proxy {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let call = (parts.headers, body);
        let of_index = || {
            serde_json::from_slice::<serde_json::Value>(&call.1)
                .is_ok_and(|body| body.get("IndexName").is_some())
        };
        match operation.as_str() {
            "Query" | "Scan" if of_index() => self.forward(&self.indexes, call).await,
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" | "BatchWriteItem" => {
                let writes = self.writes.lock().await;
                let answer = self.forward(&self.table, call.clone()).await;
                if answer.status().is_success() {
                    let _ = writes.send((Instant::now() + self.lag, call));
                }
                answer
            }
            "CreateTable" | "DeleteTable" => {
                self.forward(&self.indexes, call.clone()).await;
                self.forward(&self.table, call).await
            }
            _ => self.forward(&self.table, call).await,
        }
    }

    async fn forward(&self, to: &str, (mut headers, body): Call) -> Response<Full<Bytes>> {
        for name in ["host", "content-length"] {
            headers.remove(name);
        }
        let answer = self
            .http
            .post(to)
            .headers(headers)
            .body(body)
            .send()
            .await
            .expect("the database answers");
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove("transfer-encoding");
        let mut response = Response::new(Full::from(answer.bytes().await.expect("an answer")));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}
