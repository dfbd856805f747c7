//! A server on a socket of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use leadsman_api::{Client, Grant, NewToken, PeopleCommand, Shipment};
use leadsman_core::time::Timestamp;
use leadsman_server::{Network, Provider, Setup};
use leadsman_testkit::World;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::shelf::TestShelf;

/// A server that ends when this is dropped.
pub(crate) struct Served {
    pub(crate) client: Client,
    pub(crate) socket: PathBuf,
    pub(crate) world: World,
    pub(crate) shelf: Arc<TestShelf>,
    /// Where it is served over TCP.
    pub(crate) address: SocketAddr,
    _end: watch::Sender<bool>,
    _folder: TempDir,
}

impl Served {
    /// Serves an engine among fakes; returns when it answers.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same, where people sign in with this provider.
    pub(crate) async fn start_with(provider: Option<Provider>) -> Self {
        Box::pin(Self::on(World::start().await, provider)).await
    }

    /// Ends this server, and serves the same engine and its log by another one.
    pub(crate) async fn again(self) -> Self {
        Box::pin(Self::on(self.world, None)).await
    }

    async fn on(world: World, provider: Option<Provider>) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let socket = folder.path().join("control.sock");
        let (end, ended) = watch::channel(false);
        let runs = world.runs(folder.path(), PathBuf::from("/nowhere")).await;
        let any = "127.0.0.1:0".parse().expect("it is an address");
        let network = Network::bind(any, None).expect("a port is free");
        let address = network.url()["http://".len()..].parse();
        let shelf = Arc::new(TestShelf::default());
        let server = Setup {
            runs,
            engine: world.engine.clone(),
            shelf: shelf.clone(),
            state: folder.path().to_owned(),
            started_at: Timestamp::from_millis(7),
            version: "1.2.3",
            page_of: |code| (code == "L080").then_some("# L080: not understood\n"),
            down: watch::channel(false).0,
            network: Some(network),
            beside: None,
            provider,
        };
        let path = socket.clone();
        tokio::spawn(async move { server.run(&path, ended).await });
        let client = Client::new(&socket);
        while client.system().await.is_err() {
            tokio::task::yield_now().await;
        }
        Self {
            client,
            socket,
            world,
            shelf,
            address: address.expect("it is one"),
            _end: end,
            _folder: folder,
        }
    }
}

impl Served {
    /// Makes somebody known, who is `role` as far as `reach` goes, and returns a token of theirs.
    pub(crate) async fn token_of(&self, name: &str, role: &str, reach: Option<&str>) -> String {
        let add = PeopleCommand::Add {
            person: name.to_owned(),
            identities: Vec::new(),
            grants: vec![Grant {
                role: role.to_owned(),
                reach: reach.map(str::to_owned),
            }],
        };
        let added = self.client.about_people(&add).await;
        added.expect("they are new");
        let new = NewToken {
            name: "laptop".to_owned(),
            person: Some(name.to_owned()),
            roles: Vec::new(),
            reach: None,
            life_ms: 3_600_000,
        };
        let made = self.client.create_token(&new).await;
        made.expect("it is new").token.0
    }
}

/// Returns the shipment of one service whose program is `version`.
pub(crate) fn shipment(version: u64) -> Shipment {
    let project = format!(
        "application: shop\nservices:\n  web:\n    run: serve {version}\nstrategy: {{ canary: {{ \
         steps: [5%, 50%], soak: 1m }} }}\n"
    );
    Shipment {
        project,
        file: "leadsman.yaml".to_owned(),
        origin: "/srv/shop".to_owned(),
        environment: None,
        artifacts: BTreeMap::new(),
        note: Some(format!("version {version}")),
        expedite: None,
        one_way: None,
    }
}
