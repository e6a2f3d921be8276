//! TLS as a client: whom to trust, and what a failed handshake means.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Fault;
use super::wire::Stream;
use crate::logging::chain;

/// Why there is no TLS. With a fault where a person has to mend something.
#[derive(Debug)]
pub struct TlsError {
    pub reason: String,
    pub fault: Option<Fault>,
}

fn fault(fault: Fault, reason: String) -> TlsError {
    TlsError {
        reason,
        fault: Some(fault),
    }
}

/// Settings by CA file, kept because they hold the sessions that make the next handshake short. A file that was changed
/// is read anew.
#[derive(Default)]
pub struct Trust(Mutex<HashMap<Option<PathBuf>, Kept>>);

struct Kept {
    /// Content of the CA file.
    of: Vec<u8>,
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The certificate is checked for `host`, whatever address the stream leads to. Returns the stream and a line about it.
    pub async fn handshake(
        &self,
        stream: Box<dyn Stream>,
        host: &str,
        ca_file: Option<&Path>,
        limit: Duration,
    ) -> Result<(Box<dyn Stream>, String), TlsError> {
        let config = self.config(ca_file)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            fault(
                Fault::Config,
                format!("{host} is no name that a certificate could have"),
            )
        })?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        match timeout(limit, handshake).await {
            Ok(Ok(stream)) => {
                let version = match stream.get_ref().1.protocol_version() {
                    Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
                    _ => "TLS 1.2",
                };
                let line = format!("{version}, the certificate is valid for {host}");
                Ok((Box::new(stream), line))
            }
            Ok(Err(error)) => Err(explain(&error, host)),
            Err(_) => Err(TlsError {
                reason: format!("the TLS handshake did not end within {limit:?}"),
                fault: None,
            }),
        }
    }

    fn config(&self, ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
        let content = match ca_file {
            None => Vec::new(),
            Some(path) => std::fs::read(path).map_err(|error| {
                let reason = format!("the ca_file {} cannot be read: {error}", path.display());
                fault(Fault::Config, reason)
            })?,
        };
        let key = ca_file.map(Path::to_owned);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = known.get(&key)
            && kept.of == content
        {
            return Ok(kept.config.clone());
        }
        let roots = match ca_file {
            None => of_the_system()?,
            Some(path) => of_file(path, &content)?,
        };
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| fault(Fault::Config, error.to_string()))?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let config = Arc::new(config);
        let kept = Kept {
            of: content,
            config: config.clone(),
        };
        known.insert(key, kept);
        Ok(config)
    }
}

fn of_the_system() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = "this host knows no certificate authorities; install the package ca-certificates, or set \
                      ca_file in the integration's config";
        return Err(fault(Fault::Config, reason.to_owned()));
    }
    Ok(roots)
}

fn of_file(path: &Path, content: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let bad = |why: String| {
        let reason = format!("the ca_file {} {why}", path.display());
        fault(Fault::Config, reason)
    };
    for certificate in CertificateDer::pem_slice_iter(content) {
        let certificate = certificate.map_err(|error| bad(format!("is not PEM: {error}")))?;
        (roots.add(certificate)).map_err(|error| bad(format!("has a bad certificate: {error}")))?;
    }
    match roots.is_empty() {
        true => Err(bad("holds no certificate in PEM form".to_owned())),
        false => Ok(roots),
    }
}

fn explain(error: &io::Error, host: &str) -> TlsError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(tls) = tls else {
        return TlsError {
            reason: format!("the TLS handshake was broken off: {}", chain(error)),
            fault: None,
        };
    };
    let reason = match tls {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the relay's certificate is for another host, not for {host}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the relay's certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the relay's certificate is not valid yet; is this host's clock right?".to_owned()
            }
            // A bad signature: of an authority by the name of one that is trusted, and with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the relay's certificate is from nobody that this host trusts; for an authority of your own set \
                 ca_file in the integration's config"
                    .to_owned()
            }
            other => format!("the relay's certificate is not valid: {other}"),
        },
        rustls::Error::InvalidMessage(_) => {
            "the relay does not speak TLS here; is the port right (465: TLS from the start, 587: STARTTLS)?"
                .to_owned()
        }
        other => format!("no TLS with the relay: {other}"),
    };
    fault(Fault::Tls, reason)
}
