//! How the API is served over the network.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadsman_server::Network;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::codes::Code;
use crate::failure::Failure;

/// How the API is served over the network.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "API")]
pub(crate) struct Api {
    /// Serve the API at this address, too, to whoever has a token; one of this machine alone
    /// unless there is a certificate
    #[arg(long = "api", value_name = "ADDRESS:PORT")]
    address: Option<SocketAddr>,
    /// The certificate chain and the key with which the API is served, as PEM files
    #[arg(
        long = "api-tls",
        value_name = "CHAIN,KEY",
        value_delimiter = ',',
        requires = "address"
    )]
    tls: Vec<PathBuf>,
}

impl Api {
    /// Binds the address, if there is one.
    pub(crate) fn bind(&self) -> Result<Option<Network>, Failure> {
        let Some(address) = self.address else {
            return Ok(None);
        };
        let tls = match self.tls.as_slice() {
            [] => None,
            [chain, key] => Some(config(chain, key)?),
            _ => {
                let what = "`--api-tls` names two files: the chain and the key";
                return Err(Failure::new(Code::ApiUnusable, what));
            }
        };
        let network = Network::bind(address, tls).map_err(|error| {
            Failure::of(Code::ApiUnusable, &error).hint(
                "serve it on a loopback address such as 127.0.0.1:7070, or give a certificate \
                 with `--api-tls chain.pem,key.pem`",
            )
        })?;
        Ok(Some(network))
    }
}

fn config(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, Failure> {
    let unreadable = |path: &Path| format!("failed to read `{}`", path.display());
    let failed = |what: String, error: &(dyn std::error::Error + 'static)| {
        Failure::new(Code::ApiUnusable, what).because(error)
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(unreadable(chain), &error))?;
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| failed(unreadable(key), &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, private)
        })
        .map_err(|error| {
            let what = format!(
                "`{}` and `{}` cannot be served with",
                chain.display(),
                key.display()
            );
            failed(what, &error)
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
