//! The HTTP client, for AWS and for the identity provider: HTTP/1.1 alone, as DynamoDB speaks no
//! other. The SDK's own brings HTTP/2, which would be a tenth of the artifact.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector as SdkConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lambda_http::http::Uri;
use lambda_http::http::uri::Scheme;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tower_service::Service;

/// A client that trusts these certificates, and keeps its connections. Each is made within
/// `connect`, if that is given; what comes after it is bounded by who asks.
///
/// # Errors
/// Where the TLS library refuses its own defaults.
pub fn client(
    roots: RootCertStore,
    connect: Option<Duration>,
) -> Result<SharedHttpConnector, BoxError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = Arc::new(tls);
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let route = Route { proxies: Arc::new(Matcher::from_env()), tcp, tls: tls.clone() };
    let connector = InTime {
        connector: HttpsConnector::from((route, tls)),
        within: connect.unwrap_or(Duration::MAX),
    };
    let client =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    Ok(SharedHttpConnector::new(Http(client)))
}

/// The certificates of a PEM text.
///
/// # Errors
/// Where one cannot be read.
pub fn roots(pem: &str) -> Result<RootCertStore, BoxError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

/// The certificates that the platform trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub fn platform_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "root certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to the place itself, or to the proxy that the environment names for it (`HTTPS_PROXY`,
/// `NO_PROXY`).
#[derive(Clone)]
struct Route {
    proxies: Arc<Matcher>,
    tcp: HttpConnector,
    /// For proxies that speak TLS themselves.
    tls: Arc<ClientConfig>,
}

impl Service<Uri> for Route {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, place: Uri) -> Self::Future {
        let mut tcp = self.tcp.clone();
        let Some(proxy) =
            self.proxies.intercept(&place).filter(|_| place.scheme() == Some(&Scheme::HTTPS))
        else {
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(tcp.call(place).await?)) });
        };
        let mut tunnel =
            Tunnel::new(proxy.uri().clone(), HttpsConnector::from((tcp, self.tls.clone())));
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        Box::pin(async move { Ok(tunnel.call(place).await?) })
    }
}

/// Gives up on a connection that takes longer, the TLS handshake included.
#[derive(Clone)]
struct InTime {
    connector: HttpsConnector<Route>,
    within: Duration,
}

impl Service<Uri> for InTime {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, place: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.within, self.connector.call(place));
        Box::pin(async move { connecting.await? })
    }
}

/// The client, as the SDK calls it.
#[derive(Debug)]
struct Http(Client<InTime, SdkBody>);

impl SdkConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        // The SDK does not use a connection again over which an attempt failed.
        let captured = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || {
                let connection = captured.clone();
                let poison =
                    move || connection.connection_metadata().iter().for_each(Connected::poison);
                let known = captured.connection_metadata().is_some();
                known
                    .then(|| ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
            });
        }
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(failure)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What a request that was not answered means to the SDK, which tries again after all but what the
/// request itself is to blame for.
fn failure(error: Error) -> ConnectorError {
    let chain = || {
        std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |error| {
            error.source()
        })
    };
    if chain().any(|error| error.is::<Elapsed>()) {
        ConnectorError::timeout(error.into())
    } else if chain()
        .filter_map(|error| error.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_user)
    {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}
