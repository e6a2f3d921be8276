//! TLS of the server, and certificates good and bad.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate could not be made or not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("no certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("no TLS with this certificate")]
    Config(#[from] rustls::Error),
}

/// Where TLS begins, and with which certificate.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) mode: Mode,
    pub(crate) config: Arc<ServerConfig>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Implicit,
    StartTls,
}

impl Tls {
    /// From the first octet on, as on port 465.
    ///
    /// # Errors
    /// When TLS cannot be served with the certificate.
    pub fn implicit(certificate: &Certificate) -> Result<Self, TlsError> {
        Self::new(Mode::Implicit, certificate)
    }

    /// When the client asks for it, as on port 587.
    ///
    /// # Errors
    /// When TLS cannot be served with the certificate.
    pub fn starttls(certificate: &Certificate) -> Result<Self, TlsError> {
        Self::new(Mode::StartTls, certificate)
    }

    fn new(mode: Mode, certificate: &Certificate) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivatePkcs8KeyDer::from(certificate.key.serialize_der());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key),
            )?;
        let config = Arc::new(config);
        Ok(Self { mode, config })
    }
}

/// A certificate authority, made for one test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// # Errors
    /// When there is no randomness for a key.
    pub fn new() -> Result<Self, TlsError> {
        let mut params = named("mail-catcher's authority", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self(issuer))
    }

    /// For clients that shall trust it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn der(&self) -> &CertificateDer<'static> {
        self.0.der()
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_pem(&self, file: impl AsRef<Path>) -> io::Result<()> {
        fs::write(file, self.pem())
    }

    /// For these host names or IP addresses.
    ///
    /// # Errors
    /// When one is no name.
    pub fn certificate(&self, names: &[&str]) -> Result<Certificate, TlsError> {
        self.issue(named("mail-catcher", names)?)
    }

    /// As `certificate`, valid until the year 2000.
    ///
    /// # Errors
    /// When one is no name.
    pub fn expired_certificate(&self, names: &[&str]) -> Result<Certificate, TlsError> {
        let mut params = named("mail-catcher", names)?;
        params.not_before = date_time_ymd(1999, 1, 1);
        params.not_after = date_time_ymd(2000, 1, 1);
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Result<Certificate, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Certificate { certificate, key })
    }
}

/// The certificate of a server, with its key.
pub struct Certificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Certificate {
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Signed by nobody else.
    ///
    /// # Errors
    /// When one is no name.
    pub fn self_signed(names: &[&str]) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = named("mail-catcher", names)?.self_signed(&key)?;
        Ok(Self { certificate, key })
    }
}

fn named(subject: &str, names: &[&str]) -> Result<CertificateParams, TlsError> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, subject);
    Ok(params)
}
