//! One linkage unit: its folder, made once by `init`, and everything that is open while it serves.

use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use time::OffsetDateTime;

use crate::audit::Label;
use crate::authority::{Authority, create_folder, read, read_private, write_private, write_public};
use crate::config::{self, Audit, Config};
use crate::error::{DecisionError, SetupError};
use crate::journal::Journal;
use crate::permit::{
    Committee, PermitState, Permitted, Refusal, RunRequest, VerifiedPermit, authorise, authorise_custodian,
};
use crate::policy::Policy;
use crate::role::{Caller, Role};
use crate::run::Runs;
use crate::signing::SigningKey;
use crate::store::Store;
use crate::submission::UploadsUnderWay;

/// What `init` is told.
#[derive(Clone, Debug)]
pub struct NewUnit {
    /// Names and addresses by which clients reach the service.
    pub hosts: Vec<String>,
    /// The committee's public keys and quorum; it can be put into the folder later.
    pub committee: Option<PathBuf>,
    /// The configuration; `policy.file` is still what the operator named.
    pub config: Config,
}

/// An open linkage unit.
pub struct Unit {
    config: Config,
    policy: Policy,
    committee: Option<Committee>,
    identity: age::x25519::Identity,
    store: Store,
    journal: Journal,
    uploads: UploadsUnderWay,
    runs: Runs,
    #[cfg(feature = "distributed")]
    cluster: linkage_plan::cluster::Cluster,
    /// Held as long as the unit is open: two services on one folder would each write their own audit log.
    lock: std::fs::File,
}

impl Unit {
    /// Makes the folder of a new linkage unit.
    ///
    /// # Errors
    /// When the folder holds something already, or the committee or policy file is not valid.
    pub async fn create(folder: &Path, new: &NewUnit, now: OffsetDateTime) -> Result<(), SetupError> {
        let mut config = new.config.clone();
        config.audit = Audit { origin: format!("linkage-unit/{}", random_hex()?) };
        config.check()?;
        // Both files are read before anything is written, so that a bad one leaves no half-made unit.
        let policy = (Policy::shipped(&config.policy.file).is_none())
            .then(|| read_policy(Path::new(&config.policy.file)))
            .transpose()?;
        let committee = new.committee.as_deref().map(read_committee).transpose()?;
        create_folder(folder)?;
        if let Some((text, _)) = policy {
            write_public(&folder.join("policy.toml"), text.as_bytes())?;
            "policy.toml".clone_into(&mut config.policy.file);
        }
        if let Some(committee) = committee {
            write_public(&folder.join(&config.policy.committee), &committee.to_json())?;
        }
        let authority = Authority::create(folder, now)?;
        let server = authority.issue_server(&new.hosts, now)?;
        write_private(&folder.join("server.key"), server.key_pem.as_bytes())?;
        write_public(&folder.join("server.pem"), server.certificate_pem.as_bytes())?;
        let identity = age::x25519::Identity::generate();
        write_private(&folder.join("unit.key"), format!("{}\n", identity.to_string().expose_secret()).as_bytes())?;
        write_public(&folder.join("unit.pub"), format!("{}\n", identity.to_public()).as_bytes())?;
        let mut seed_failed = false;
        let audit = SigningKey::generate(|seed| seed_failed = getrandom::fill(seed).is_err());
        if seed_failed {
            return Err(SetupError::Randomness);
        }
        audit.create_file(&folder.join("audit.key"))?;
        audit.public_key().create_file(&folder.join("audit.pub"))?;
        let store = Store::open(folder).await?;
        store.close().await;
        // Last, because a folder without it is no linkage unit.
        write_public(&folder.join(config::FILE), config.to_toml()?.as_bytes())
    }

    /// Opens the linkage unit in a folder. Runs that a crash has left behind become failed.
    ///
    /// # Errors
    /// When another process serves the unit, or the configuration, a key, the policy, the committee or the store is
    /// missing or damaged.
    pub async fn open(folder: &Path) -> Result<Self, SetupError> {
        let config = Config::load(folder)?;
        let lock = lock(folder)?;
        let policy = match Policy::shipped(&config.policy.file) {
            Some(policy) => policy,
            None => read_policy(&folder.join(&config.policy.file))?.1,
        };
        let committee_file = folder.join(&config.policy.committee);
        let committee = committee_file.exists().then(|| read_committee(&committee_file)).transpose()?;
        let identity = read_identity(&folder.join("unit.key"))?;
        let key = SigningKey::load(&folder.join("audit.key"))?;
        let origin: Label = config
            .audit
            .origin
            .parse()
            .map_err(|_| SetupError::Option("config.toml: `audit.origin` is not a label"))?;
        let store = Store::open(folder).await?;
        let journal = Journal::open(store.clone(), key, origin).await?;
        #[cfg(not(feature = "distributed"))]
        if !config.cluster.workers.is_empty() {
            return Err(SetupError::Option(
                "config.toml: `cluster.workers` names workers\nhint: this program was built without the feature `distributed`",
            ));
        }
        let unit = Self {
            #[cfg(feature = "distributed")]
            cluster: crate::cluster::open(folder, &config.cluster, OffsetDateTime::now_utc())?,
            runs: Runs::new(),
            uploads: UploadsUnderWay::default(),
            config,
            policy,
            committee,
            identity,
            store,
            journal,
            lock,
        };
        crate::run::fail_left_over(&unit, OffsetDateTime::now_utc()).await?;
        Ok(unit)
    }

    /// Closes the store and lets another process serve the unit.
    pub async fn close(&self) {
        self.store.close().await;
        if let Err(error) = self.lock.unlock() {
            // The end of the process unlocks it as well.
            tracing::warn!(%error, "the unit's lock could not be given back");
        }
    }

    /// The workers that do parts of runs; there may be none.
    #[cfg(feature = "distributed")]
    pub fn cluster(&self) -> &linkage_plan::cluster::Cluster {
        &self.cluster
    }

    /// How the unit is set up.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What may be linked.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whose signatures count; without a committee there are no permits.
    pub fn committee(&self) -> Option<&Committee> {
        self.committee.as_ref()
    }

    /// Decides by the permit of `permit_id` whether the caller may have what `request` makes of it; asked anew at every
    /// use.
    ///
    /// # Errors
    /// The refusal, or that there is no committee, or that the store cannot answer.
    pub async fn permitted(
        &self,
        caller: &Caller,
        permit_id: &str,
        request: impl FnOnce(Option<&VerifiedPermit>) -> Result<RunRequest, Refusal>,
    ) -> Result<Permitted<RunRequest>, DecisionError> {
        let committee = self.committee().ok_or(DecisionError::NoCommittee)?;
        let document = self.store.permit(permit_id).await?;
        let revocations = self.store.revocations(permit_id).await?;
        let verified = document.as_deref().map(|document| VerifiedPermit::verify(document, committee)).transpose()?;
        let request = request(verified.as_ref())?;
        let state = PermitState { committee, permit: document.as_deref(), revocations: &revocations };
        let decide = match caller.role {
            Role::Custodian(_) => authorise_custodian,
            _ => authorise,
        };
        Ok(decide(request, caller, state, &self.policy, OffsetDateTime::now_utc())?)
    }

    /// What opens the seal of token files.
    pub fn identity(&self) -> &age::x25519::Identity {
        &self.identity
    }

    /// What is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The audit log.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Uploads under way.
    pub fn uploads(&self) -> &UploadsUnderWay {
        &self.uploads
    }

    /// Runs under way.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }
}

/// 16 hexadecimal digits from the operating system's randomness.
///
/// # Errors
/// When it gives none.
pub fn random_hex() -> Result<String, SetupError> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|_| SetupError::Randomness)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

fn lock(folder: &Path) -> Result<std::fs::File, SetupError> {
    let path = folder.join("unit.lock");
    let failed = |source| SetupError::File { path: path.clone(), source };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(SetupError::Served { folder: folder.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn read_policy(path: &Path) -> Result<(String, Policy), SetupError> {
    let text = read(path)?;
    let policy = Policy::parse(&text).map_err(|source| SetupError::Policy { path: path.to_owned(), source })?;
    Ok((text, policy))
}

fn read_committee(path: &Path) -> Result<Committee, SetupError> {
    let text = read(path)?;
    Committee::parse(text.as_bytes()).map_err(|source| SetupError::Committee { path: path.to_owned(), source })
}

fn read_identity(path: &Path) -> Result<age::x25519::Identity, SetupError> {
    let text = read_private(path)?;
    text.trim().parse().map_err(|_| SetupError::UnitIdentity { path: path.to_owned() })
}
