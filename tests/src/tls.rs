//! A TLS server in front of a server that speaks plain text, with a certificate made for it: what
//! AWS's endpoints have, on this machine.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A TLS server, until it is dropped.
pub struct TlsFront {
    /// Where it is.
    pub url: String,
    roots: NamedTempFile,
    serving: tokio::task::JoinHandle<()>,
}

impl TlsFront {
    /// A server in front of that address, as `127.0.0.1:3000`.
    pub async fn start(behind: String) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
            .expect("a root certificate");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a certificate with its key");
        let roots = NamedTempFile::new().expect("a file");
        // As many as the artifact brings, and one more.
        std::fs::write(roots.path(), shared::aws::ROOTS.to_owned() + &authority.pem())
            .expect("the file is written");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        // By a name, as the cloud's are: a start looks one up.
        let url =
            format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    stream.set_nodelay(true)?;
                    let mut plain = TcpStream::connect(behind).await?;
                    plain.set_nodelay(true)?;
                    tokio::io::copy_bidirectional(&mut acceptor.accept(stream).await?, &mut plain)
                        .await
                });
            }
        });
        Self { url, roots, serving }
    }

    /// A bundle of root certificates with the server's: for `SSL_CERT_FILE`.
    pub fn roots(&self) -> &Path {
        self.roots.path()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
